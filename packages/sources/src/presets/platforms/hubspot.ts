import { identifyByTemplates } from '../../identify.ts'
import { hmacOverBody } from '../../verifier/spec.ts'
import { defineSource } from '../define-source.ts'

/** HubSpot's webhooks with signature v3, which covers the URL. The sources file gives the URL that HubSpot calls. */
export const hubspot = defineSource('hubspot', {
  verifier: hmacOverBody('x-hubspot-signature-v3', 'base64', {
    content: '{method}{url-decoded}{body}{timestamp}',
    timestamp: { header: 'x-hubspot-request-timestamp', unit: 'ms', toleranceSecs: 300 },
  }),
  volatileFields: ['attemptNumber'],
  split: { path: [], itemsMax: 1_000 },
  identify: identifyByTemplates({
    entityKey: '{portalId}-{objectId|eventId}',
    eventType: "{subscriptionType|'event'}",
    dedupKey: '{portalId}:{subscriptionId}:{eventId}:{occurredAt}',
  }),
})
