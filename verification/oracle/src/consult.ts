import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { JudgeOptions, OracleReport } from './conclude.ts'
import { readTables } from './evidence/database.ts'
import { readDump, writeDump } from './evidence/dump.ts'
import { readInfluxSums, type OracleInflux } from './evidence/influx.ts'
import { Judge } from './judge.ts'
import { readSent } from './evidence/sent.ts'

export interface ConsultOptions extends JudgeOptions {
  /** undefined: there is none of version 17 or later. */
  readonly java: string | undefined
  /** Folder with Kafka's jars. */
  readonly jars: string
  readonly kafkaBrokers: readonly string[]
  readonly databaseUrl: string
  readonly influx?: OracleInflux | undefined
  /** The simulator's own list. */
  readonly truthDir: string
  /** For the dump. */
  readonly folder: string
  readonly progress?: ((text: string) => void) | undefined
}

const execute = promisify(execFile)
const ATTEMPTS_MAX = 3

/** Why the oracle cannot be asked here; undefined: it can. */
export const cannotConsult = async ({
  java,
  jars,
}: Pick<ConsultOptions, 'java' | 'jars'>): Promise<string | undefined> => {
  if (java === undefined) return 'there is no JDK of version 17 or later'
  if (!existsSync(jars)) return `Kafka's Java client is not in ${jars}`
  const { stdout } = await execute(java, ['--list-modules'])
  return stdout.includes('jdk.compiler') ? undefined : `${java} is of a JRE: it takes a JDK`
}

/** To be called at rest: has everything read again by others' means, and judges it. Rejects when it cannot be read. */
export const consult = async (options: ConsultOptions): Promise<OracleReport> => {
  const { java, jars, kafkaBrokers, topicPrefix, databaseUrl, influx, truthDir, progress } = options
  const cannot = await cannotConsult(options)
  if (cannot !== undefined) throw new Error(cannot)
  mkdirSync(options.folder, { recursive: true })
  const file = join(options.folder, 'dump.ndjson')
  const startedAt = performance.now()
  await persistently(() => writeDump({ java: java!, jars, kafkaBrokers, topicPrefix, file }))
  const dumpedAt = performance.now()
  const judge = new Judge(await readSent(truthDir), options)
  for await (const lines of readDump(file)) for (const line of lines) judge.take(line)
  await readTables(
    databaseUrl,
    (rows) => rows.forEach((row) => judge.row(row)),
    (states) => states.forEach((state) => judge.state(state)),
    (deleted) => judge.deleted(deleted),
  )
  if (influx !== undefined) judge.influx(await persistently(() => readInfluxSums(influx)))
  const report = judge.conclude()
  const secs = (ms: number): string => (ms / 1_000).toFixed(1)
  progress?.(
    `the oracle has read the topics in ${secs(dumpedAt - startedAt)} s and judged them in ${secs(performance.now() - dumpedAt)} s`,
  )
  // What was found can be looked up in it.
  if (report.ok) rmSync(file)
  return report
}

const persistently = async <T>(work: () => Promise<T>): Promise<T> => {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (attempt === ATTEMPTS_MAX) throw error
    }
  }
}
