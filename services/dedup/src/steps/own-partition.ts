import { deadLetter, ok, type Outcome } from '@weir/runtime'
import { partitionOf } from '@weir/kafka'
import type { StagedKeys } from '@weir/seen-keys'
import { derivedKeyOf, repeatOf, type DuplicateClass } from './drop-seen.ts'
import type { KeyedWebhook } from './read-keys.ts'

/** The step's name in its dead letters. */
export const OWN_PARTITION_STEP = 'ownPartition'

/**
 * Lets only events pass that belong in this partition, because the keys of an event's repeats are in the partition of
 * its entity key. Any other event was written with another partition count. It is neither passed on nor dropped, but
 * kept once as a dead letter, which a replay sends to the right partition.
 */
export const ownPartitionIn = (seen: StagedKeys, partition: number, partitions: number) =>
  function ownPartition(webhook: KeyedWebhook): Outcome<KeyedWebhook, DuplicateClass> {
    const own = partitionOf(webhook.entityKey, partitions)
    if (own === partition) return ok(webhook)
    const { eventKey, bodyHash } = webhook
    const result = seen.check(derivedKeyOf('misplaced', eventKey, bodyHash), bodyHash)
    if (result.kind !== 'new') return repeatOf(seen, result)
    return deadLetter(
      'wrong_partition',
      `its key belongs to partition ${own} of ${partitions}, but it arrived in ${partition}: its writer has another TOPIC_PARTITIONS`,
    )
  }
