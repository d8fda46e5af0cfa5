import { identifyBy } from '../identify.ts'
import { hmacOverBody } from '../verifier/spec.ts'
import { defineSource } from './define-source.ts'

/** Slack waits for 3 s. */
const REQUEST_BUDGET_MS = 2_500

/** Slack's Events API; its slash commands and buttons are forms, which are not taken. */
export const slack = defineSource('slack', {
  verifier: hmacOverBody('x-slack-signature', 'hex', {
    ...{ prefix: 'v0=', content: 'v0:{timestamp}:{body}' },
    timestamp: { header: 'x-slack-request-timestamp', unit: 's', toleranceSecs: 300 },
  }),
  accepted: 'slack',
  limits: { requestBudgetMs: REQUEST_BUDGET_MS },
  identify: identifyBy({
    entityKey: '{event.channel|event.item.channel|team_id|event_id|body-hash}',
    eventType: "{event.type|type|'event'}",
    dedupKey: '{event_id}',
  }),
})
