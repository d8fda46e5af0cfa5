import { identifyByTemplates } from '../../identify.ts'
import { hmacOverBody } from '../../verifier/spec.ts'
import { defineSource } from '../define-source.ts'

/** Zoom waits 3 s and retries three times within hours. */
const REQUEST_BUDGET_MS = 2_500
const RETRY_SPAN_SECS = 6 * 3_600

/**
 * Zoom's event notifications. They have no id, and two of one meeting may have the same time. The key is therefore the
 * body hash: Zoom retries with the same bytes.
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
  identify: identifyByTemplates({
    entityKey: '{payload.object.uuid|payload.object.id|payload.account_id|body-hash}',
    eventType: '{event}',
    dedupKey: '{body-hash}',
  }),
})
