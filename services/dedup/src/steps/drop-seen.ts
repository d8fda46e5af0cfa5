import { createHash } from 'node:crypto'
import { asEventKey, EVENT_KEY_BYTES, HEADER, type EventKey } from '@weir/contracts'
import { deadLetter, drop, ok, type Outcome } from '@weir/runtime'
import type { StagedKeys, SeenResult } from '@weir/seen-keys'
import type { KeyedWebhook } from './read-keys.ts'

/** How soon a duplicate followed the first event: at once, as from a sender that sends twice, or later, as a retry. */
export type DuplicateClass = 'immediate_repeat' | 'late_retry'

/** Below the first retry of any provider; CXone retries after a minute. */
const IMMEDIATE_MS = 30_000

/**
 * The key under which a dead letter is remembered, so that its repeat is a duplicate. It is not the event's own key,
 * because the event has not passed.
 */
export const derivedKeyOf = (
  kind: 'conflict' | 'misplaced' | 'content',
  eventKey: EventKey,
  bodyHash: Buffer,
): EventKey =>
  asEventKey(
    createHash('sha256')
      .update(`${kind}\0`)
      .update(eventKey)
      .update(bodyHash)
      .digest()
      .subarray(0, EVENT_KEY_BYTES),
  )

export const repeatOf = (seen: StagedKeys, { firstAt }: Exclude<SeenResult, { kind: 'new' }>) =>
  drop<DuplicateClass>(seen.effectiveTime - firstAt < IMMEDIATE_MS ? 'immediate_repeat' : 'late_retry')

/** The step's name in the dead letters of conflicts. */
export const DROP_SEEN_STEP = 'dropSeen'

/** Lets a key pass once. The same key with another body is never dropped silently. */
export const dropSeenIn = (seen: StagedKeys) =>
  function dropSeen(webhook: KeyedWebhook): Outcome<KeyedWebhook, DuplicateClass> {
    const { eventKey, bodyHash } = webhook
    const result = seen.check(eventKey, bodyHash)
    if (result.kind === 'new') return ok(webhook)
    if (result.kind === 'duplicate') return repeatOf(seen, result)
    const again = seen.check(derivedKeyOf('conflict', eventKey, bodyHash), bodyHash)
    if (again.kind !== 'new') return repeatOf(seen, again)
    const first = result.first.toString('hex')
    return deadLetter(
      'key_conflict',
      `the first body's hash is ${first}, this one's ${bodyHash.toString('hex')}`,
      { [HEADER.conflictsWith]: Buffer.from(first) },
    )
  }
