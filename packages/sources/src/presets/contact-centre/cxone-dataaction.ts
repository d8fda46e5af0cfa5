import { joinDedupKey } from '@weir/contracts'
import { REFUSALS } from '../../responses.ts'
import { asObject, identified, idOf, noId, wrongType } from '../../fields.ts'
import { hmacOverBody } from '../../verifier/spec.ts'
import { defineSource } from '../define-source.ts'

const MISSING = 'Missing required CXone fields: id, type'

/**
 * Data Action events with changing shapes. Their key contains the body hash, so a different body is a different event
 * and never a conflict.
 */
export const cxoneDataAction = defineSource('cxone-dataaction', {
  ...REFUSALS['cxone-dataaction'],
  paths: ['/webhooks/cxone-dataaction', '/webhook/cxone-dataaction'],
  verifier: hmacOverBody('x-nice-webhook-signature', 'base64'),
  identify: (payload, facts) => {
    const event = asObject(payload)
    if (event === undefined) return wrongType('the body', 'an object', MISSING)
    const interactionId = idOf(event.id)
    if (interactionId === undefined) return noId('id', event.id, { answer: MISSING })
    const eventType = idOf(event.type)
    if (eventType === undefined) return noId('type', event.type, { answer: MISSING })
    return identified({
      interactionId,
      eventType,
      dedupKey: joinDedupKey([interactionId, eventType, facts.bodyHash()]),
    })
  },
})
