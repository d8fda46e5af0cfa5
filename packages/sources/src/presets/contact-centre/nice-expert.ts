import { identifyByTemplates } from '../../identify.ts'
import { hmacOverBody } from '../../verifier/spec.ts'
import { defineSource } from '../define-source.ts'

/** CXone Expert waits 1 s. */
const REQUEST_BUDGET_MS = 900

/**
 * Page events of CXone Expert: XML, stored unchanged. The body hash is key and entity, because the delivery id is not
 * signed and no document says that it stays the same in a retry.
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
  identify: identifyByTemplates({
    entityKey: '{body-hash}',
    eventType: "{header:x-nexus-event-type|'event'}",
    dedupKey: '{body-hash}',
  }),
})
