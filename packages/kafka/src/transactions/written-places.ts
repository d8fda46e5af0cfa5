import type { TopicPartition } from './transaction-view.ts'

/** All that the producer of one partition number ever writes to: its transactions are looked for there, and nowhere else. */
export interface WrittenPlaces {
  readonly partition: number
  /** Topics of which it writes to the partition with its number. */
  readonly own: readonly string[]
  /** Topics of which it may write to any partition. */
  readonly shared: readonly string[]
  /** The group whose offsets it commits. */
  readonly groupId: string
}

export const OFFSETS_TOPIC = '__consumer_offsets'

/** Which partition of `__consumer_offsets` has a group's offsets: Java's `String.hashCode`, as Kafka takes it. */
export const offsetsPartitionOf = (groupId: string, partitions: number): number => {
  let hash = 0
  for (let i = 0; i < groupId.length; i += 1) hash = (Math.imul(31, hash) + groupId.charCodeAt(i)) | 0
  // The one integer without a positive counterpart counts as 0.
  return hash === -0x8000_0000 ? 0 : Math.abs(hash) % partitions
}

/** A `RangeError` when nobody would look for the transaction there. */
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
