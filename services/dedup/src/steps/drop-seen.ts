import { createHash } from 'node:crypto'
import { asEventKey, EVENT_KEY_BYTES, type EventKey, type ReceivedWebhook } from '@weir/contracts'
import { deadLetter, drop, ok, type Outcome } from '@weir/pipeline'
import type { StagedKeys } from '@weir/seen-keys'

/** A repeated conflict is a duplicate of the first: it is held under a key of its own. */
const conflictKeyOf = (eventKey: EventKey, bodyHash: Buffer): EventKey =>
  asEventKey(
    createHash('sha256')
      .update('conflict\0')
      .update(eventKey)
      .update(bodyHash)
      .digest()
      .subarray(0, EVENT_KEY_BYTES),
  )

/** Lets a key pass once. The same key with another body is never dropped in silence. */
export const dropSeenIn = (seen: StagedKeys) =>
  function dropSeen(webhook: ReceivedWebhook): Outcome<ReceivedWebhook, 'duplicate'> {
    const { eventKey, bodyHash } = webhook
    const verdict = seen.check(eventKey, bodyHash)
    if (verdict.kind === 'new') return ok(webhook)
    if (verdict.kind === 'duplicate') return drop('duplicate')
    const again = seen.check(conflictKeyOf(eventKey, bodyHash), bodyHash)
    if (again.kind !== 'new') return drop('duplicate')
    return deadLetter('key_conflict', `the first body's hash is ${verdict.first.toString('hex')}`)
  }
