import { identifyByTemplates } from '../../identify.ts'
import { defineSource } from '../define-source.ts'

const RETRY_SPAN_SECS = 3 * 86_400

/** Stripe's events. The key is the whole text of the secret, including `whsec_`. */
export const stripe = defineSource('stripe', {
  verifier: {
    kind: 'hmac',
    header: 'stripe-signature',
    algorithm: 'sha256',
    encoding: 'hex',
    prefix: '',
    form: 'pairs',
    label: 'v1',
    content: '{timestamp}.{body}',
    secretEncoding: 'utf8',
    timestamp: { pair: 't', unit: 's', toleranceSecs: 300 },
  },
  retrySpanSecs: RETRY_SPAN_SECS,
  identify: identifyByTemplates({ entityKey: '{data.object.id|id}', eventType: '{type}', dedupKey: '{id}' }),
})
