import { valueAt } from '../../fields.ts'
import { identifyByTemplates } from '../../identify.ts'
import { isConfirmation } from '../../verifier/sns.ts'
import { defineSource } from '../define-source.ts'

/** A message may have 256 KiB, and each of its characters may be escaped. */
const BODY_BYTES_MAX = 600_000
/** The span of the longest retry policy. */
const RETRY_SPAN_SECS = 3_600

const identify = identifyByTemplates({
  entityKey: '{MessageId}',
  eventType: '{Type}',
  dedupKey: '{MessageId}',
})

/**
 * Amazon SNS. The secrets are its signing certificates. A subscription confirmation becomes a dead letter, because a
 * person decides whether to subscribe.
 */
export const sns = defineSource('sns', {
  verifier: { kind: 'sns', topics: [] },
  mediaTypes: ['text/plain', 'application/json'],
  onInvalid: 'accept-dlq',
  limits: { bodyBytesMax: BODY_BYTES_MAX },
  retrySpanSecs: RETRY_SPAN_SECS,
  identify: (payload, facts) => {
    const type = valueAt(payload, ['Type'])
    if (!isConfirmation(type)) return identify(payload, facts)
    const detail =
      type === 'SubscriptionConfirmation'
        ? 'Amazon SNS asks whether to subscribe: open the SubscribeURL in the body of this letter, if you want the topic'
        : 'Amazon SNS has unsubscribed this address: open the SubscribeURL in the body of this letter to undo that'
    return { kind: 'problem', problem: { reason: 'wrong_type', detail } }
  },
})
