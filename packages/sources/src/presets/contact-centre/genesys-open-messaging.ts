import { identifyByTemplates } from '../../identify.ts'
import { hmacOverBody } from '../../verifier/spec.ts'
import { defineSource } from '../define-source.ts'

/** Genesys waits 10 s and retries 5 times. */
const REQUEST_BUDGET_MS = 9_000
const RETRY_SPAN_SECS = 85

/** Outbound messages and receipts of Genesys Cloud's Open Messaging. A receipt has the id of its message. */
export const genesysOpenMessaging = defineSource('genesys-open-messaging', {
  verifier: hmacOverBody('x-hub-signature-256', 'base64', { prefix: 'sha256=' }),
  limits: { requestBudgetMs: REQUEST_BUDGET_MS },
  retrySpanSecs: RETRY_SPAN_SECS,
  identify: identifyByTemplates({
    entityKey: '{channel.to.id|channel.from.id|id|body-hash}',
    eventType: "{type|'message'}",
    dedupKey: "{id}:{type|'message'}:{status|'-'}",
  }),
})
