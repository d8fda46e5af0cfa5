import { joinDedupKey } from '@weir/contracts'
import { asObject, identified, idOf, missing, momentOf, sequenceOf, wrongType } from './fields.ts'
import type { JsonObject, SourceDefinition } from './source.ts'

/** Lean lifecycle events, and the events with `data.channelType` of an interaction router. */
export const cxone: SourceDefinition = {
  name: 'cxone',
  paths: ['/webhooks/cxone', '/api/CXoneEventReceiver'],
  verifier: { kind: 'hmac', header: 'x-cxone-signature', algorithm: 'sha256', encoding: 'hex', prefix: '' },
  statusMissing: 400,
  statusInvalid: 401,
  answerMissing: '',
  answerInvalid: '',
  onInvalid: 'accept-dlq',
  identify: (payload, rawHash) => {
    const event = asObject(payload)
    if (event === undefined) return wrongType('the body', 'an object')
    const data = asObject(event.data)
    return data?.channelType === undefined
      ? identifyLean(event, rawHash)
      : identifyRouted(event, data, rawHash)
  },
}

const identifyLean = (event: JsonObject, rawHash: string) => {
  const interactionId = idOf(event.interactionId)
  if (interactionId === undefined) return missing('interactionId')
  const eventType = idOf(event.eventType)
  if (eventType === undefined) return missing('eventType')
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
  const dedupKey = joinDedupKey([interactionId, eventType, rawHash])
  return identified({ interactionId, eventType, dedupKey, dedupKeyFallback: 'timestamp' })
}

const identifyRouted = (event: JsonObject, data: JsonObject, rawHash: string) => {
  const interactionId = idOf(data.id)
  if (interactionId === undefined) return missing('data.id')
  const eventType = idOf(event.eventType)
  if (eventType === undefined) return missing('eventType')
  const timestamp = momentOf(event.timestamp)
  const dedupKey = joinDedupKey([interactionId, eventType, timestamp ?? rawHash])
  return identified({
    interactionId,
    eventType,
    dedupKey,
    ...(timestamp === undefined && { dedupKeyFallback: 'timestamp' }),
  })
}
