import { identifyBy } from '../../identify.ts'
import { hmacOverBody } from '../../verifier/spec.ts'
import { defineSource } from '../define-source.ts'

const ITEMS_MAX = 1_000
/** Meta tries again for 36 hours; WhatsApp for 7 days. */
const RETRY_SPAN_SECS = 7 * 86_400

/**
 * Meta's webhooks: Messenger, Instagram, WhatsApp, Pages. Each entry is an event; its type is the body's `object`. Entries have the id of the page or account alone, so that the key is the hash of the entry.
 */
export const meta = defineSource('meta', {
  verifier: hmacOverBody('x-hub-signature-256', 'hex', { prefix: 'sha256=' }),
  handshakes: ['meta'],
  split: { path: ['entry'], itemsMax: ITEMS_MAX },
  retrySpanSecs: RETRY_SPAN_SECS,
  identify: identifyBy({ entityKey: '{id}', eventType: "{batch:object|'entry'}", dedupKey: '{body-hash}' }),
})
