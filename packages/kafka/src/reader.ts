import { kafkaCluster } from './client.ts'
import { logRange, partitionsOf, type LogRange } from './offsets.ts'
import { readPartition } from './partition-reader.ts'
import type { InputRecord } from './record.ts'
import type { KafkaSettings } from './settings.ts'
import { silentLogger } from './silent-logger.ts'

/** Reads a whole topic, read_committed, without a group: for audits, tools and tests. */
export interface TopicReader {
  readonly topic: string
  /** Per partition: log start and high watermark. */
  offsets(): Promise<ReadonlyMap<number, { readonly start: bigint; readonly end: bigint }>>
  /** Every readable record from `from` (default: log start) of each partition to the end as it is now. Returns the next offsets, to go on from later. */
  readToEnd(
    onRecords: (records: readonly InputRecord[]) => void | Promise<void>,
    from?: ReadonlyMap<number, bigint>,
  ): Promise<ReadonlyMap<number, bigint>>
  close(): Promise<void>
}

/** Rejects with a `StateError` when the topic does not exist. Errors of the cluster are `RetriableError`s. */
export const openTopicReader = async (settings: KafkaSettings, topic: string): Promise<TopicReader> => {
  const cluster = kafkaCluster({ settings, logger: silentLogger, clientId: 'weir-reader' })
  let partitions: readonly number[]
  try {
    await cluster.connect()
    await cluster.addMultipleTargetTopics([topic])
    partitions = partitionsOf(cluster, topic)
  } catch (error) {
    await cluster.disconnect()
    throw error
  }
  const offsets = async (): Promise<ReadonlyMap<number, LogRange>> =>
    new Map(
      await Promise.all(
        partitions.map(async (partition) => [partition, await logRange(cluster, topic, partition)] as const),
      ),
    )
  return {
    topic,
    offsets,
    readToEnd: async (onRecords, from) => {
      const next = new Map<number, bigint>()
      for (const [partition, { start, end }] of await offsets()) {
        const range = { topic, partition, from: from?.get(partition) ?? start, end }
        const position = await readPartition(cluster, range, async (records) => {
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
