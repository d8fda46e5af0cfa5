import type { TopicPartition } from './transaction-view.ts'

/** Every partition that the producer of one partition number may write to. Open transactions are sought only there. */
export interface WrittenPlaces {
  readonly partition: number
  /** Topics in which it writes only to the partition with its number. */
  readonly own: readonly string[]
  /** Topics in which it may write to any partition. */
  readonly shared: readonly string[]
  /** Consumer group for which it commits offsets. */
  readonly groupId: string
}

export const OFFSETS_TOPIC = '__consumer_offsets'

/** The partition of `__consumer_offsets` with the offsets of a group, by Java's `String.hashCode` as in Kafka. */
export const offsetsPartitionOf = (groupId: string, partitions: number): number => {
  let hash = 0
  for (let i = 0; i < groupId.length; i += 1) hash = (Math.imul(31, hash) + groupId.charCodeAt(i)) | 0
  // Kafka maps the integer without a positive counterpart to 0.
  return hash === -0x8000_0000 ? 0 : Math.abs(hash) % partitions
}

/** Throws a `RangeError` for a partition where open transactions are not searched. */
export const requireWritten = (
  { own, shared, partition }: WrittenPlaces,
  places: readonly TopicPartition[],
): void => {
  const stray = places.find(
    (place) => !shared.includes(place.topic) && !(own.includes(place.topic) && place.partition === partition),
  )
  if (stray === undefined) return
  throw new RangeError(
    `partition ${partition} writes to ${stray.topic}/${stray.partition}, which is not declared`,
  )
}
