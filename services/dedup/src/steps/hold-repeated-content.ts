import { BODY_HASH_BYTES, type EventKey } from '@weir/contracts'
import { deadLetter, ok, type Outcome } from '@weir/runtime'
import type { StagedKeys } from '@weir/seen-keys'
import { derivedKeyOf, repeatOf, type DuplicateClass } from './drop-seen.ts'
import type { KeyedWebhook } from './read-keys.ts'

/** The step's name in its dead letters. */
export const HOLD_CONTENT_STEP = 'holdRepeatedContent'

/** Stored with a content key: the start of the event key that the content first came with. */
export const firstEventOf = (eventKey: EventKey): Buffer => eventKey.subarray(0, BODY_HASH_BYTES)

/**
 * Holds content that came before under another, unsigned id. Otherwise anyone with a captured request could send it
 * again under any number of ids. The event is not dropped, because it may really happen twice: one dead letter is kept
 * for each id.
 */
export const holdRepeatedContentIn = (seen: StagedKeys) =>
  function holdRepeatedContent(webhook: KeyedWebhook): Outcome<KeyedWebhook, DuplicateClass> {
    const { contentKey, eventKey, bodyHash } = webhook
    if (contentKey === undefined) return ok(webhook)
    if (seen.check(contentKey, firstEventOf(eventKey)).kind !== 'conflict') return ok(webhook)
    const again = seen.check(derivedKeyOf('content', eventKey, bodyHash), bodyHash)
    if (again.kind !== 'new') return repeatOf(seen, again)
    return deadLetter('content_repeated', 'the same signed content came before under another id')
  }
