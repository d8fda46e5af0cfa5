import { identifyByTemplates } from '../../identify.ts'
import { hmacOverBody } from '../../verifier/spec.ts'
import { defineSource } from '../define-source.ts'

/** PagerDuty's V3 webhooks. */
export const pagerduty = defineSource('pagerduty', {
  verifier: hmacOverBody('x-pagerduty-signature', 'hex', { form: 'pairs', label: 'v1' }),
  identify: identifyByTemplates({
    entityKey: '{event.data.incident.id|event.data.id|event.id}',
    eventType: "{event.event_type|'event'}",
    dedupKey: '{event.id}',
  }),
})
