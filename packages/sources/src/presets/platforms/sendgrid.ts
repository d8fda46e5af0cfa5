import { identifyByTemplates } from '../../identify.ts'
import { defineSource } from '../define-source.ts'

/** SendGrid retries for a day and does not document whether it signs each attempt again. */
const RETRY_SPAN_SECS = 86_400

/**
 * Twilio SendGrid's signed event webhook: batches with an ECDSA signature. The secrets are SendGrid's verification
 * keys.
 */
export const sendgrid = defineSource('sendgrid', {
  verifier: {
    kind: 'ecdsa',
    header: 'x-twilio-email-event-webhook-signature',
    encoding: 'base64',
    prefix: '',
    form: 'single',
    label: '',
    content: '{timestamp}{body}',
    secretEncoding: 'base64',
    timestamp: {
      header: 'x-twilio-email-event-webhook-timestamp',
      unit: 's',
      toleranceSecs: RETRY_SPAN_SECS,
    },
  },
  retrySpanSecs: RETRY_SPAN_SECS,
  split: { path: [], itemsMax: 1_000 },
  identify: identifyByTemplates({
    entityKey: '{sg_message_id|sg_event_id|body-hash}',
    eventType: "{event|'event'}",
    dedupKey: '{sg_event_id}',
  }),
})
