import { openTopicReader, StateError, type InputRecord, type KafkaSettings } from '@weir/kafka'
import { decodeStateRecord, isPositionKey, StateRecordError, type Position } from '@weir/seen-keys'

/**
 * Why no task may continue from a position with this many partitions; undefined when the keys are where their events
 * go.
 */
export const layoutFault = ({ partitions, becoming }: Position, configured: number): string | undefined => {
  if (becoming !== undefined) {
    return `is being moved to ${becoming} partitions: finish that with \`weir dedup repartition --to ${becoming}\`.`
  }
  if (partitions === undefined || partitions === configured) return undefined
  return (
    `has the keys of ${partitions} partitions and TOPIC_PARTITIONS is ${configured}: events would not find their ` +
    `keys, and repeats would pass. Stop every service, run \`weir dedup repartition --to ${configured}\`, then start again.`
  )
}

/** The position is the last record of each transaction, so more is read only when other records follow it. */
export const FIRST_LOOK_OFFSETS = 64n
export const LOOK_FACTOR = 32n

/**
 * Rejects with a `StateError` when the keys of any partition were spread over another partition count: a partition
 * without state is then an added one, not a new one. Reads the last position of each partition.
 */
export const requireSameLayout = async (settings: KafkaSettings, topic: string): Promise<void> => {
  const reader = await openTopicReader(settings, topic)
  try {
    const ranges = await reader.offsets()
    const last = new Map<number, Position>()
    const take = (records: readonly InputRecord[]): void => {
      for (const record of records) {
        const position = positionOf(record)
        if (position !== undefined) last.set(record.partition, position)
      }
    }
    for (let look = FIRST_LOOK_OFFSETS; ; look *= LOOK_FACTOR) {
      const from = [...ranges].map(([partition, { start, end }]) => {
        if (last.has(partition)) return [partition, end] as const
        return [partition, end - look > start ? end - look : start] as const
      })
      await reader.readToEnd(take, new Map(from))
      if ([...ranges].every(([partition, { start, end }]) => last.has(partition) || end - look <= start))
        break
    }
    for (const [partition, position] of last) {
      const fault = layoutFault(position, settings.topicPartitions)
      if (fault !== undefined) throw new StateError(`${topic}/${partition} ${fault}`)
    }
  } finally {
    await reader.close()
  }
}

/** Returns undefined for a damaged position, which the partition's own task reports. */
export const positionOf = (record: InputRecord): Position | undefined => {
  if (!isPositionKey(record.key)) return undefined
  try {
    const decoded = decodeStateRecord(record)
    return decoded.kind === 'position' ? decoded.position : undefined
  } catch (error) {
    if (error instanceof StateRecordError) return undefined
    throw error
  }
}
