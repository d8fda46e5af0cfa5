import {
  asEventKey,
  BODY_HASH_BYTES,
  EVENT_KEY_BYTES,
  HEADER,
  TOPIC_SPECS,
  topicNames,
  type WireHeaders,
} from '@weir/contracts'
import type { Maintenance } from '@weir/kafka'
import { divertMalformed } from '../steps/divert-malformed.ts'
import { derivedKeyOf, DROP_SEEN_STEP } from '../steps/drop-seen.ts'
import { firstEventOf, HOLD_CONTENT_STEP } from '../steps/hold-repeated-content.ts'
import { OWN_PARTITION_STEP } from '../steps/own-partition.ts'

export interface DurableKey {
  readonly eventKey: Buffer
  readonly bodyHash: Buffer
}

const ROLES = ['unique', 'dedupDlq'] as const

/**
 * The keys that a partition has recorded since a time (epoch ms, by the broker's clock). They are read from the other
 * records of the same transactions: the unique events, and the dead letters of conflicts, of repeated content, of
 * malformed bodies and of records in a wrong partition.
 */
export const readDurableKeys = async (
  maintenance: Maintenance,
  topicPrefix: string,
  partition: number,
  since: number,
  onKeys: (keys: readonly DurableKey[]) => Promise<void>,
): Promise<void> => {
  const topics = topicNames(topicPrefix)
  for (const role of ROLES) {
    const topic = topics[role]
    const { start } = await maintenance.range(topic, partition)
    await maintenance.read(topic, partition, start, async (records) => {
      const recent = records.filter(({ timestamp }) => timestamp >= since)
      await onKeys(recent.flatMap(({ headers }) => keyOf(headers, role === 'dedupDlq')))
    })
  }
}

/** Epoch ms. Keys that were recorded before may have passed the retention of the topics; 0: none has. */
export const durableSince = async (
  maintenance: Maintenance,
  topicPrefix: string,
  partition: number,
): Promise<number> => {
  const topics = topicNames(topicPrefix)
  const times = ROLES.map(async (role) => {
    const { start } = await maintenance.range(topics[role], partition)
    if (start === 0n) return 0
    const first = await maintenance.first(topics[role], partition)
    const { retentionMs } = TOPIC_SPECS.find((spec) => spec.role === role)!
    return first?.timestamp ?? Date.now() - retentionMs
  })
  return Math.max(...(await Promise.all(times)))
}

/** The key of an event as it arrived; undefined when its headers are unreadable. */
const inputKeyOf = (headers: WireHeaders): DurableKey | undefined => {
  const eventKey = headers[HEADER.eventKey]
  const bodyHash = headers[HEADER.bodyHash]
  if (eventKey?.length !== EVENT_KEY_BYTES || bodyHash?.length !== BODY_HASH_BYTES) return undefined
  return { eventKey, bodyHash }
}

const keyOf = (headers: WireHeaders, isLetter: boolean): readonly DurableKey[] => {
  const key = inputKeyOf(headers)
  if (key === undefined) return []
  const { eventKey, bodyHash } = key
  const contentKey = headers[HEADER.contentKey]
  const content =
    contentKey?.length === EVENT_KEY_BYTES
      ? [{ eventKey: contentKey, bodyHash: firstEventOf(asEventKey(eventKey)) }]
      : []
  if (!isLetter) return [key, ...content]
  const step = headers[HEADER.dlqStep]?.toString()
  const derived = (kind: 'conflict' | 'misplaced' | 'content') => [
    { eventKey: derivedKeyOf(kind, asEventKey(eventKey), bodyHash), bodyHash },
  ]
  if (step === DROP_SEEN_STEP) return [...derived('conflict'), ...content]
  if (step === HOLD_CONTENT_STEP) return derived('content')
  if (step === OWN_PARTITION_STEP) return derived('misplaced')
  // A record with unreadable headers has no key.
  return step === divertMalformed.name ? [{ eventKey, bodyHash }] : []
}
