import { identifyByTemplates } from '../../identify.ts'
import { hmacOverBody } from '../../verifier/spec.ts'
import { defineSource } from '../define-source.ts'

/** Shopify waits 5 s and retries 8 times within 4 hours. */
const REQUEST_BUDGET_MS = 4_000
const RETRY_SPAN_SECS = 4 * 3_600

/** Shopify's webhooks over HTTPS. */
export const shopify = defineSource('shopify', {
  verifier: hmacOverBody('x-shopify-hmac-sha256', 'base64'),
  limits: { requestBudgetMs: REQUEST_BUDGET_MS },
  retrySpanSecs: RETRY_SPAN_SECS,
  identify: identifyByTemplates({
    entityKey: '{admin_graphql_api_id|id|body-hash}',
    eventType: "{header:x-shopify-topic|'event'}",
    // An event has the same id for every subscription, and one action of a merchant may have the same id under several
    // topics.
    dedupKey: "{header:x-shopify-topic|'event'}:{header:x-shopify-event-id|header:x-shopify-webhook-id}",
  }),
})
