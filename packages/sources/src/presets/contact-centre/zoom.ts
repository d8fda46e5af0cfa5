import { identifyBy } from '../../identify.ts'
import { hmacOverBody } from '../../verifier/spec.ts'
import { defineSource } from '../define-source.ts'

/** Zoom waits for 3 s, and tries again three times within some hours. */
const REQUEST_BUDGET_MS = 2_500
const RETRY_SPAN_SECS = 6 * 3_600

/**
 * Zoom's event notifications. They have no id, and two of one meeting may have one time, so that the key is the hash of
 * the body: Zoom sends the same bytes again.
 */
export const zoom = defineSource('zoom', {
  verifier: hmacOverBody('x-zm-signature', 'hex', {
    prefix: 'v0=',
    content: 'v0:{timestamp}:{body}',
    timestamp: { header: 'x-zm-request-timestamp', unit: 's', toleranceSecs: 300 },
  }),
  handshakes: ['zoom'],
  limits: { requestBudgetMs: REQUEST_BUDGET_MS },
  retrySpanSecs: RETRY_SPAN_SECS,
  identify: identifyBy({
    entityKey: '{payload.object.uuid|payload.object.id|payload.account_id|body-hash}',
    eventType: '{event}',
    dedupKey: '{body-hash}',
  }),
})
