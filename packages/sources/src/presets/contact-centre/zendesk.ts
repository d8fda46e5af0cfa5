import { identifyByTemplates } from '../../identify.ts'
import { hmacOverBody } from '../../verifier/spec.ts'
import { defineSource } from '../define-source.ts'

/** Zendesk's webhooks. An administrator writes their bodies, or they are Zendesk's own events. */
export const zendesk = defineSource('zendesk', {
  verifier: hmacOverBody('x-zendesk-webhook-signature', 'base64', {
    content: '{timestamp}{body}',
    timestamp: { header: 'x-zendesk-webhook-signature-timestamp', unit: 'iso', toleranceSecs: 300 },
  }),
  identify: identifyByTemplates({
    entityKey: '{subject|detail.id|ticket.id|ticket_id|id|body-hash}',
    eventType: "{type|'event'}",
    dedupKey: '{header:x-zendesk-webhook-invocation-id}',
  }),
})
