import {
  encodeDeadLetter,
  encodeReceivedWebhook,
  entityKeyOf,
  eventKeyOf,
  topicNames,
  type AuditEntry,
  type WireRecord,
} from '@weir/contracts'
import type { InputRecord, TopicReader } from '@weir/kafka'
import { AccessTokens, createLogger, Metrics, PartitionList } from '@weir/runtime'
import type { ApiOptions } from '../api/api-options.ts'
import { NO_APPROVALS } from '../jobs/approvals.ts'
import { buildApi } from '../api/api.ts'
import { TOKENS } from '../config.ts'
import type { CommandLog } from '../jobs/command-log.ts'
import type { Command } from '../jobs/job.ts'
import type { ChunkOptions } from '../jobs/job-chunk.ts'
import { JobTable } from '../jobs/job-table.ts'
import { LetterReader } from '../letters/letters.ts'
import type { StateView } from '../jobs/state-view.ts'

export const TOKEN = 'a token of the tests'
export const OTHER_TOKEN = 'a token that will expire'
export const VIEWER_TOKEN = 'a token that may only read'
const TOKENS_OF_TESTS = [
  `ann:${TOKEN}`,
  `bob/viewer:${VIEWER_TOKEN}`,
  `eve@2020-01-01:a token that has expired`,
  `kim@${new Date(Date.now() + 86_400_000).toISOString().slice(0, 10)}:${OTHER_TOKEN}`,
]

/** A letter of normalizer with this body, as its topic holds it. */
export const letterOf = (raw: Buffer): WireRecord => {
  const webhook = encodeReceivedWebhook({
    source: 'nice',
    interactionId: 'i',
    entityKey: entityKeyOf('nice', 'i'),
    dedupKey: 'i',
    eventKey: eventKeyOf('nice', 'i'),
    bodyHash: Buffer.alloc(8),
    receivedAt: 5,
    eventType: 'type',
    raw,
  })
  const origin = { ...webhook, topic: topicNames('').unique, partition: 0, offset: 0n }
  return encodeDeadLetter({ origin, reason: 'unmappable', step: 's', error: 'e', failedAt: 1_000 })
}

/** One partition of letters that are generated when they are read. */
export const madeLetters = (count: number, bodyBytes: number): TopicReader => {
  const letter = letterOf(Buffer.alloc(bodyBytes, 'a'))
  const range = new Map([[0, { start: 0n, end: BigInt(count) }]])
  return {
    topic: 'letters',
    offsets: () => Promise.resolve(range),
    stableOffsets: () => Promise.resolve(range),
    readToEnd: () => Promise.reject(new Error('not in this model')),
    readRange: async ({ from, end }, onRecord) => {
      for (let offset = from; offset < end && offset < count; offset++) {
        const record: InputRecord = { ...letter, topic: 'letters', partition: 0, offset, timestamp: 0 }
        if (!(await onRecord(record))) return offset + 1n
        // The next response of the brokers would do the same.
        if (offset % 100n === 0n) await new Promise((next) => setImmediate(next))
      }
      return end
    },
    close: () => Promise.resolve(),
  }
}

/** The API on generated letters and a table of jobs. */
export const modelApi = (reader: TopicReader, changes: Partial<ApiOptions> = {}) => {
  const table = new JobTable()
  const sent: Command[] = []
  const noted: AuditEntry[] = []
  const topics = topicNames()
  const letters = new LetterReader(topics, () => Promise.resolve(reader))
  const app = buildApi({
    approvals: NO_APPROVALS,
    tokens: new AccessTokens().add(TOKENS_OF_TESTS, TOKENS),
    letters,
    keys: undefined,
    readiness: () => [],
    state: {
      marks: table.marks,
      refresh: () => Promise.resolve(),
      jobs: () => Promise.resolve(table.all()),
    } as unknown as StateView,
    commands: { isRequested: () => Promise.resolve(false) } as unknown as CommandLog,
    returning: {
      letters,
      topics,
      partitions: 1,
      keys: undefined,
      bodyHashKey: '',
      sources: [],
      chunkLettersMax: 500,
    } as unknown as ChunkOptions,
    audit: {
      write: (entry) => {
        noted.push(entry)
        return Promise.resolve()
      },
    },
    send: (command) => {
      sent.push(command)
      return Promise.resolve()
    },
    partitions: new PartitionList(),
    metrics: new Metrics('test'),
    logger: createLogger('test', 'silent'),
    ...changes,
  })
  return { app, table, sent, noted }
}
