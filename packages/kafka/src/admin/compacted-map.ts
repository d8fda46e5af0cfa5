import { RetriableError } from '../client/errors.ts'
import { LaneError } from '../produce/lane.ts'
import { openLanes } from '../produce/lanes.ts'
import { openTopicReader } from '../read/topic-reader.ts'
import type { KafkaSettings } from '../client/settings.ts'
import { silentLogger } from '../client/silent-logger.ts'
import { untilAvailable, type Waiting } from '../client/until-available.ts'

/** A small compacted topic of one partition, as a map. */
export interface CompactedMap {
  /**
   * Waits for the cluster. Returns by key the values since its last tombstone, oldest first. A key has more than one
   * value until compaction, for example when two processes write it at the same time. Keys whose last record is a
   * tombstone are absent.
   */
  read(): Promise<ReadonlyMap<string, readonly Buffer[]>>
  /**
   * Writes a value, or a tombstone for null. Resolves when it is acknowledged. Rejects with a `RetriableError` after 3
   * s; the record may still be written.
   */
  write(key: string, value: Buffer | null): Promise<void>
  close(): Promise<void>
}

const WRITE_MS_MAX = 3_000

/**
 * Waits until the topic can be read. Rejects with a `StateError` when it does not exist, and with the signal's reason
 * when it is aborted.
 */
export const openCompactedMap = async (
  settings: KafkaSettings,
  topic: string,
  waiting: Waiting = { logger: silentLogger },
): Promise<CompactedMap> => {
  const reader = await untilAvailable(`opening ${topic}`, () => openTopicReader(settings, topic), waiting)
  const lanes = await openLanes({
    settings: { ...settings, topicPartitions: 1 },
    logger: waiting.logger,
    topic,
    lingerMs: 0,
    deadlineMs: WRITE_MS_MAX,
    batchRecordsMax: 100,
    batchBytesMax: 700_000,
    queueBytesMax: 1_000_000,
  })
  const readAll = async (): Promise<ReadonlyMap<string, readonly Buffer[]>> => {
    const values = new Map<string, readonly Buffer[]>()
    await reader.readToEnd((records) => {
      for (const { key, value } of records) {
        const name = key?.toString() ?? ''
        if (value === null) values.delete(name)
        else values.set(name, [...(values.get(name) ?? []), Buffer.from(value)])
      }
    })
    return values
  }
  return {
    read: () => untilAvailable(`reading ${topic}`, readAll, waiting),
    write: async (key, value) => {
      try {
        await lanes.send(0, { key: Buffer.from(key), value, headers: {} })
      } catch (error) {
        if (!(error instanceof LaneError)) throw error
        throw new RetriableError(`writing ${topic}: ${error.message}`, { cause: error })
      }
    },
    close: async () => {
      await lanes.close()
      await reader.close()
    },
  }
}
