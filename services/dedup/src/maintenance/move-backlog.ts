import type { TopicNames } from '@weir/contracts'
import { partitionOf, type Claim, type InputRecord, type Maintenance, type OutputRecord } from '@weir/kafka'
import { encodePosition, type Position } from '@weir/seen-keys'

const NO_KEY = Buffer.alloc(0)

/**
 * Sends the records that dedup has not read yet to the partition that their key has among `to` partitions. A record
 * and the position behind it commit in one transaction, so each record arrives once. Returns the next offsets after
 * that.
 */
export const moveBacklog = async (
  maintenance: Maintenance,
  claim: Claim,
  options: {
    readonly topics: TopicNames
    readonly partition: number
    readonly to: number
    readonly position: Position
  },
): Promise<Readonly<Record<string, bigint>>> => {
  const { topics, partition, to } = options
  let { position } = options
  const targetOf = ({ key }: InputRecord): number => (key === null ? partition : partitionOf(key, to))
  for (const topic of [topics.received, topics.dedupReplay]) {
    const from = position.next[topic] ?? (await maintenance.range(topic, partition)).start
    const targets = new Set<number>()
    await maintenance.read(topic, partition, from, (records) => {
      for (const record of records) targets.add(targetOf(record))
    })
    targets.delete(partition)
    // If all records belong here, they stay where they are.
    if (targets.size === 0) continue
    await maintenance.read(topic, partition, from, async (records, nextOffset) => {
      const moved = records.map((record): OutputRecord => {
        const { key, value, headers } = record
        // A record without a key becomes a dead letter in any partition.
        return { topic, partition: targetOf(record), key: key ?? NO_KEY, value, headers }
      })
      position = { ...position, next: { ...position.next, [topic]: nextOffset } }
      const state = { topic: topics.seen, partition, headers: {}, ...encodePosition(position) }
      await claim.commit([...moved, state], { [topic]: nextOffset })
    })
  }
  return position.next
}
