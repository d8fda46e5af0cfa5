import { join } from 'node:path'
import { service as dedup } from '@weir/dedup'
import { ensurePrivate, kafkaJarsFolder, type Folders } from '@weir/local-stack'
import { cannotConsult, consult, type OracleInflux, type OracleReport } from '@weir/oracle'
import type { Environment } from '@weir/runtime'
import { readSourcesFile } from '@weir/sources'
import { loadTopicsConfig } from '../config.ts'

/** The oracle's report, or why the oracle did not run. */
export type IndependentCheck =
  | { readonly kind: 'asked'; readonly report: OracleReport }
  | { readonly kind: 'not-run'; readonly reason: string }

export interface CheckedRun {
  readonly env: Environment
  readonly folders: Folders
  readonly java: string | undefined
  readonly databaseUrl: string
  readonly influx: OracleInflux | undefined
  readonly progress: (text: string) => void
}

/** Has a finished run judged by code and clients that share nothing with the product. */
export const checkIndependently = async (run: CheckedRun): Promise<IndependentCheck> => {
  const { env, folders, java, databaseUrl, influx, progress } = run
  const jars = kafkaJarsFolder(folders)
  const kafka = loadTopicsConfig(env)
  const reason =
    kafka.kafkaSsl || kafka.kafkaUser !== undefined
      ? 'it reads no cluster with TLS or passwords'
      : await cannotConsult({ java, jars })
  if (reason !== undefined) return { kind: 'not-run', reason }
  const folder = join(folders.state, 'oracle')
  ensurePrivate(folder)
  const report = await consult({
    java,
    jars,
    databaseUrl,
    influx,
    progress,
    isAlone: false,
    kafkaBrokers: kafka.kafkaBrokers,
    topicPrefix: kafka.topicPrefix,
    windowMs: dedup.loadConfig(env).windowSecs * 1_000,
    truthDir: env.TRUTH_DIR!,
    folder,
    // The file decides what identifies an event of a source that it names, also of a built-in one.
    unknownSources: readSourcesFile(env.SOURCES_FILE).named,
  })
  return { kind: 'asked', report }
}
