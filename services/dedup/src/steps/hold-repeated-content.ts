import { BODY_HASH_BYTES, type EventKey } from '@weir/contracts'
import { deadLetter, ok, type Outcome } from '@weir/pipeline'
import type { StagedKeys } from '@weir/seen-keys'
import { derivedKeyOf, repeatOf, type DuplicateClass } from './drop-seen.ts'
import type { KeyedWebhook } from './read-keys.ts'

/** The step's name, on its letters. */
export const HOLD_CONTENT_STEP = 'holdRepeatedContent'

/** What a content key is held with: the event that it came as first. */
export const firstEventOf = (eventKey: EventKey): Buffer => eventKey.subarray(0, BODY_HASH_BYTES)

/**
 * An id that nobody signed makes no new event of content that was there: whoever has a captured request could send it
 * under as many ids as he likes. It is not dropped either, as an event may really happen twice: it is kept once for each
 * id as a letter.
 */
export const holdRepeatedContentIn = (seen: StagedKeys) =>
  function holdRepeatedContent(webhook: KeyedWebhook): Outcome<KeyedWebhook, DuplicateClass> {
    const { contentKey, eventKey, bodyHash } = webhook
    if (contentKey === undefined) return ok(webhook)
    if (seen.check(contentKey, firstEventOf(eventKey)).kind !== 'conflict') return ok(webhook)
    const again = seen.check(derivedKeyOf('content', eventKey, bodyHash), bodyHash)
    if (again.kind !== 'new') return repeatOf(seen, again)
    return deadLetter('content_repeated', 'the same signed content came before, under another id')
  }
