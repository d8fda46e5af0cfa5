import { systemClock } from '../client/clock.ts'
import { kafkaCluster } from '../client/kafka-client.ts'
import { brokerReads } from './cluster-reads.ts'
import { logRange, partitionsOf, stableRange, whileClusterAnswers, type LogRange } from '../client/offsets.ts'
import { readPartition } from './read-partition.ts'
import type { InputRecord } from '../protocol/record.ts'
import type { KafkaSettings } from '../client/settings.ts'
import { silentLogger } from '../client/silent-logger.ts'

/** Reads a whole topic with read_committed isolation and without a consumer group, for audits, tools and tests. */
export interface TopicReader {
  readonly topic: string
  /** Per partition: log start and high watermark. */
  offsets(): Promise<ReadonlyMap<number, LogRange>>
  /** Per partition: log start and last stable offset. The readable records between them do not change. */
  stableOffsets(): Promise<ReadonlyMap<number, LogRange>>
  /**
   * Reads each partition from `from` (default: log start) to its current end. Returns the next offsets, with which a
   * later call continues.
   */
  readToEnd(
    onRecords: (records: readonly InputRecord[]) => void | Promise<void>,
    from?: ReadonlyMap<number, bigint>,
  ): Promise<ReadonlyMap<number, bigint>>
  /**
   * Reads the readable records of one partition from `from` to `end`. If `onRecord` returns false, stops and returns
   * the offset after that record; otherwise returns `end`. Does not wait for open transactions: their records are
   * skipped.
   */
  readRange(
    range: { readonly partition: number; readonly from: bigint; readonly end: bigint },
    onRecord: (record: InputRecord) => boolean | Promise<boolean>,
  ): Promise<bigint>
  close(): Promise<void>
}

/**
 * Rejects with a `StateError` when the topic does not exist and with a `RetriableError` for errors of the cluster.
 * `fetchBytes: 1` fetches one batch at a time, so a damaged batch does not affect others.
 */
export const openTopicReader = async (
  settings: KafkaSettings,
  topic: string,
  { fetchBytes }: { readonly fetchBytes?: number } = {},
): Promise<TopicReader> => {
  const cluster = kafkaCluster({ settings, logger: silentLogger, clientId: 'weir-reader' })
  let partitions: readonly number[]
  try {
    await whileClusterAnswers(`reading ${topic}`, async () => {
      await cluster.connect()
      await cluster.addMultipleTargetTopics([topic])
    })
    partitions = partitionsOf(cluster, topic)
  } catch (error) {
    await cluster.disconnect()
    throw error
  }
  const rangesBy = async (ask: typeof logRange): Promise<ReadonlyMap<number, LogRange>> =>
    new Map(
      await Promise.all(
        partitions.map(async (partition) => [partition, await ask(cluster, topic, partition)] as const),
      ),
    )
  const reads = brokerReads(cluster, systemClock, fetchBytes)
  const offsets = () => rangesBy(logRange)
  return {
    topic,
    offsets,
    stableOffsets: () => rangesBy(stableRange),
    readRange: async ({ partition, from, end }, onRecord) => {
      const log = await stableRange(cluster, topic, partition)
      const last = end < log.end ? end : log.end
      // Retention may have deleted the first records.
      const walk = { next: from < log.start ? log.start : from, goesOn: true }
      const range = { topic, partition, from: walk.next, end: last }
      await readPartition(reads, range, async (records) => {
        for (const record of records) {
          if (record.offset >= last) return true
          walk.next = record.offset + 1n
          walk.goesOn = await onRecord(record)
          if (!walk.goesOn) return true
        }
        return undefined
      })
      return walk.goesOn ? end : walk.next
    },
    readToEnd: async (onRecords, from) => {
      const next = new Map<number, bigint>()
      for (const [partition, { start, end }] of await offsets()) {
        const range = { topic, partition, from: from?.get(partition) ?? start, end }
        const position = await readPartition(reads, range, async (records) => {
          await onRecords(records)
          return undefined
        })
        next.set(partition, position)
      }
      return next
    },
    close: () => cluster.disconnect(),
  }
}
