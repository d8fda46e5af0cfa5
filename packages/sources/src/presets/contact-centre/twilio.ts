import { identifyByTemplates } from '../../identify.ts'
import { hmacOverBody } from '../../verifier/spec.ts'
import { defineSource } from '../define-source.ts'

/** Twilio waits 15 s, and a voice call waits with it. */
const REQUEST_BUDGET_MS = 10_000

/**
 * Twilio's requests: forms, or JSON with its hash in the URL. The sources file gives the URL that Twilio calls and
 * allows SHA-1, the only algorithm for signatures with the account's token.
 */
export const twilio = defineSource('twilio', {
  verifier: hmacOverBody('x-twilio-signature', 'base64', { algorithm: 'sha1', content: '{url}{form}' }),
  form: 'fields',
  limits: { requestBudgetMs: REQUEST_BUDGET_MS },
  identify: identifyByTemplates({
    entityKey: '{CallSid|MessageSid|SmsSid|ConversationSid|body-hash}',
    eventType: "{EventType|CallStatus|MessageStatus|SmsStatus|'event'}",
    dedupKey: '{header:i-twilio-idempotency-token}',
  }),
})
