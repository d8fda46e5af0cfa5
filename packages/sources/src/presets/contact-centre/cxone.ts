import { joinDedupKey } from '@weir/contracts'
import { REFUSALS } from '../../responses.ts'
import { asObject, identified, idOf, momentOf, noId, sequenceOf, wrongType } from '../../fields.ts'
import type { JsonObject, RequestFacts } from '../../source.ts'
import { hmacOverBody } from '../../verifier/spec.ts'
import { defineSource } from '../define-source.ts'

/** The provider retries after 1, 5, 15 and 30 minutes. */
const RETRY_SPAN_SECS = 51 * 60

/** Lean lifecycle events, and an interaction router's events with `data.channelType`. */
export const cxone = defineSource('cxone', {
  ...REFUSALS.cxone,
  paths: ['/webhooks/cxone', '/api/CXoneEventReceiver'],
  verifier: hmacOverBody('x-cxone-signature', 'hex'),
  retrySpanSecs: RETRY_SPAN_SECS,
  sequenceField: 'sequenceNumber',
  onInvalid: 'accept-dlq',
  identify: (payload, facts) => {
    const event = asObject(payload)
    if (event === undefined) return wrongType('the body', 'an object')
    const data = asObject(event.data)
    return data?.channelType === undefined ? identifyLean(event, facts) : identifyRouted(event, data, facts)
  },
})

const identifyLean = (event: JsonObject, facts: RequestFacts) => {
  const interactionId = idOf(event.interactionId)
  if (interactionId === undefined) return noId('interactionId', event.interactionId)
  const eventType = idOf(event.eventType)
  if (eventType === undefined) return noId('eventType', event.eventType)
  const sequence = sequenceOf(event.sequenceNumber)
  if (sequence !== undefined) {
    const dedupKey = joinDedupKey([interactionId, eventType, String(sequence)])
    return identified({ interactionId, eventType, dedupKey, sequence })
  }
  const timestamp = momentOf(event.timestamp)
  if (timestamp !== undefined) {
    const dedupKey = joinDedupKey([interactionId, eventType, timestamp])
    return identified({ interactionId, eventType, dedupKey, dedupKeyFallback: 'sequenceNumber' })
  }
  const dedupKey = joinDedupKey([interactionId, eventType, facts.bodyHash()])
  return identified({ interactionId, eventType, dedupKey, dedupKeyFallback: 'timestamp' })
}

const identifyRouted = (event: JsonObject, data: JsonObject, facts: RequestFacts) => {
  const interactionId = idOf(data.id)
  if (interactionId === undefined) return noId('data.id', data.id)
  const eventType = idOf(event.eventType)
  if (eventType === undefined) return noId('eventType', event.eventType)
  const timestamp = momentOf(event.timestamp)
  const dedupKey = joinDedupKey([interactionId, eventType, timestamp ?? facts.bodyHash()])
  return identified({
    interactionId,
    eventType,
    dedupKey,
    ...(timestamp === undefined && { dedupKeyFallback: 'timestamp' }),
  })
}
