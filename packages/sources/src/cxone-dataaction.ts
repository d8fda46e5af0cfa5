import { joinDedupKey } from '@weir/contracts'
import { asObject, identified, idOf, missing, wrongType } from './fields.ts'
import type { SourceDefinition } from './source.ts'

const MISSING = 'Missing required CXone fields: id, type'

/** Data Action events whose shape drifts. Their key has the body's hash, so another body is another event, never a conflict. */
export const cxoneDataAction: SourceDefinition = {
  name: 'cxone-dataaction',
  paths: ['/webhooks/cxone-dataaction', '/webhook/cxone-dataaction'],
  verifier: {
    kind: 'hmac',
    header: 'x-nice-webhook-signature',
    algorithm: 'sha256',
    encoding: 'base64',
    prefix: '',
  },
  statusMissing: 401,
  statusInvalid: 401,
  answerMissing: 'Missing X-Nice-Webhook-Signature header',
  answerInvalid: 'Invalid webhook signature',
  answerField: 'detail',
  onInvalid: 'reject-400',
  identify: (payload, rawHash) => {
    const event = asObject(payload)
    if (event === undefined) return wrongType('the body', 'an object', MISSING)
    const interactionId = idOf(event.id)
    if (interactionId === undefined) return missing('id', MISSING)
    const eventType = idOf(event.type)
    if (eventType === undefined) return missing('type', MISSING)
    return identified({
      interactionId,
      eventType,
      dedupKey: joinDedupKey([interactionId, eventType, rawHash]),
    })
  },
}
