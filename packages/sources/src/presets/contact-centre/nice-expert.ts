import { identifyBy } from '../../identify.ts'
import { hmacOverBody } from '../../verifier/spec.ts'
import { defineSource } from '../define-source.ts'

/** CXone Expert waits for 1 s. */
const REQUEST_BUDGET_MS = 900

/**
 * Page events of CXone Expert: XML, kept as it came. Key and entity are the body's hash, as the delivery's id is not
 * signed and nothing says that it stays the same when a delivery is repeated.
 */
export const niceExpert = defineSource('nice-expert', {
  verifier: hmacOverBody('x-nexus-signature-256', 'hex', {
    prefix: 'sha256=',
    content: '{timestamp}.{body}',
    timestamp: { header: 'x-nexus-timestamp', unit: 's', toleranceSecs: 300 },
  }),
  body: 'opaque',
  mediaTypes: ['text/xml', 'application/xml'],
  limits: { requestBudgetMs: REQUEST_BUDGET_MS },
  identify: identifyBy({
    entityKey: '{body-hash}',
    eventType: "{header:x-nexus-event-type|'event'}",
    dedupKey: '{body-hash}',
  }),
})
