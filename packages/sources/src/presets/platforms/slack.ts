import { identifyByTemplates } from '../../identify.ts'
import { hmacOverBody } from '../../verifier/spec.ts'
import { defineSource } from '../define-source.ts'

/** Slack waits 3 s. */
const REQUEST_BUDGET_MS = 2_500

/**
 * Slack's Events API, and its slash commands, which are forms. The form of a button has one field, `payload`, that
 * contains JSON.
 */
export const slack = defineSource('slack', {
  verifier: hmacOverBody('x-slack-signature', 'hex', {
    prefix: 'v0=',
    content: 'v0:{timestamp}:{body}',
    timestamp: { header: 'x-slack-request-timestamp', unit: 's', toleranceSecs: 300 },
  }),
  form: 'fields',
  accepted: 'slack',
  handshakes: ['slack'],
  limits: { requestBudgetMs: REQUEST_BUDGET_MS },
  identify: identifyByTemplates({
    entityKey: '{event.channel|event.item.channel|channel_id|team_id|event_id|body-hash}',
    eventType: "{event.type|type|command|'event'}",
    dedupKey: '{event_id}',
  }),
})
