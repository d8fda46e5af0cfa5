import { identifyByTemplates } from '../../identify.ts'
import { hmacOverBody } from '../../verifier/spec.ts'
import { defineSource } from '../define-source.ts'

const ITEMS_MAX = 1_000
/** Meta retries for 36 hours, and WhatsApp for 7 days. */
const RETRY_SPAN_SECS = 7 * 86_400

/**
 * Meta's webhooks: Messenger, Instagram, WhatsApp, Pages. Each entry is an event, and its type is the body's `object`.
 * An entry has only the id of the page or account, so the hash of the entry is the key.
 */
export const meta = defineSource('meta', {
  verifier: hmacOverBody('x-hub-signature-256', 'hex', { prefix: 'sha256=' }),
  handshakes: ['meta'],
  split: { path: ['entry'], itemsMax: ITEMS_MAX },
  retrySpanSecs: RETRY_SPAN_SECS,
  identify: identifyByTemplates({
    entityKey: '{id}',
    eventType: "{batch:object|'entry'}",
    dedupKey: '{body-hash}',
  }),
})
