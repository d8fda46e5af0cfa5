import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { readLines } from './read-lines.ts'

/** Offsets of a partition: `stable` is where readers of committed records end, `high` where the log does. */
export interface DumpedPartition {
  readonly is: 'partition'
  readonly topic: string
  readonly partition: number
  readonly start: number
  readonly stable: number
  readonly high: number
}

export interface DumpedCommit {
  readonly is: 'commit'
  readonly group: string
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

/** A record that readers of committed records see. Bytes are base64. */
export interface DumpedRecord {
  readonly is: 'record'
  /** Without the deployment's prefix. */
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Epoch ms, by the broker's clock. */
  readonly timestamp: number
  readonly key?: string
  /** The partition that Kafka's own partitioner gives the key. */
  readonly home?: number
  /** Hex, of the value; absent: a tombstone. */
  readonly sha256?: string
  readonly size?: number
  readonly value?: string
  readonly headers: Readonly<Record<string, string>>
}

export type DumpLine = DumpedPartition | DumpedCommit | DumpedRecord | { readonly is: 'end' }

export const RECEIVED = 'webhooks.received.v1'
export const UNIQUE = 'webhooks.unique.v1'
export const NORMALIZED = 'interactions.normalized.v1'
export const SEEN = 'dedup.seen.v1'
export const STATS = 'dedup.stats.v1'

/** In the order in which they are judged; `+`: with values. */
const TOPICS = [
  `${RECEIVED}+`,
  'dedup.replay.v1',
  'dedup.dlq.v1',
  UNIQUE,
  'normalizer.replay.v1',
  'normalizer.dlq.v1',
  'persistence.replay.v1',
  NORMALIZED,
  'persistence.dlq.v1',
  `${STATS}+`,
  `${SEEN}+`,
]
const HEADERS = [
  'event-key',
  'source',
  'interaction-id',
  'event-type',
  'body-hash',
  'intake-error',
  'dlq-reason',
  'dlq-key-id',
  'dlq-truncated',
  'replay-of',
  'conflicts-with',
  'content-key',
]
const GROUPS = ['dedup', 'normalizer', 'persistence', 'metric-export']
const SOURCE_FILE = join(import.meta.dirname, '../../java/TopicDump.java')
const ERROR_CHARS_MAX = 2_000

export interface DumpOptions {
  readonly java: string
  /** Folder with Kafka's jars. */
  readonly jars: string
  readonly kafkaBrokers: readonly string[]
  readonly topicPrefix: string
  /** Where the dump goes. */
  readonly file: string
}

/** Has Kafka's own client write everything that is judged to a file. Rejects with what it said when it cannot. */
export const writeDump = ({ java, jars, kafkaBrokers, topicPrefix, file }: DumpOptions): Promise<void> =>
  new Promise((resolve, reject) => {
    const args = [
      '-Xmx1g',
      '-XX:+UseSerialGC',
      '-cp',
      join(jars, '*'),
      SOURCE_FILE,
      kafkaBrokers.join(','),
      file,
      topicPrefix,
      GROUPS.join(','),
      HEADERS.join(','),
      ...TOPICS,
    ]
    const child = spawn(java, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    child.stderr.on('data', (piece: Buffer) => {
      said = (said + piece.toString()).slice(-ERROR_CHARS_MAX)
    })
    child.once('error', reject)
    child.once('close', (code, signal) => {
      if (code === 0) resolve()
      else reject(new Error(`Kafka's Java client ended with ${code ?? signal}: ${said.trim()}`))
    })
  })

/** The lines of a dump, many at a time. Throws for one that is not complete. */
export async function* readDump(file: string): AsyncGenerator<readonly DumpLine[]> {
  let isComplete = false
  for await (const texts of readLines(file)) {
    const lines = texts.map((text) => JSON.parse(text) as DumpLine)
    isComplete ||= lines.at(-1)?.is === 'end'
    yield lines
  }
  if (!isComplete) throw new Error(`${file} is not complete`)
}
