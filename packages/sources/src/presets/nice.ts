import { joinDedupKey } from '@weir/contracts'
import { REFUSALS } from '../answers.ts'
import { asObject, identified, idOf, noId, wrongType } from '../fields.ts'
import { hmacOverBody } from '../verifier/spec.ts'
import { defineSource } from './define-source.ts'

const FAILED = 'Payload validation failed: '

/** Updates of Data Actions: the latest state of an interaction. */
export const nice = defineSource('nice', {
  ...REFUSALS.nice,
  paths: ['/webhooks/nice', '/cxone/webhook/data-action'],
  verifier: hmacOverBody('x-nice-signature', 'hex'),
  knownFields: ['interactionId', 'dataActionId', 'updatedTimestamp', 'payload'],
  identify: (payload) => {
    const event = asObject(payload)
    if (event === undefined) return wrongType('the body', 'an object', `${FAILED}the body is not an object`)
    const parts: string[] = []
    for (const field of ['interactionId', 'dataActionId', 'updatedTimestamp']) {
      const value = event[field]
      const id = typeof value === 'string' ? idOf(value) : undefined
      if (id === undefined) {
        const fault = value === undefined ? 'is missing' : 'is not a text'
        return noId(field, value, { form: 'a text', answer: `${FAILED}${field} ${fault}` })
      }
      parts.push(id)
    }
    if (event.payload !== undefined && asObject(event.payload) === undefined) {
      return wrongType('payload', 'an object', `${FAILED}payload is not an object`)
    }
    const eventType = 'data.action.updated'
    return identified({ interactionId: parts[0]!, eventType, dedupKey: joinDedupKey(parts) })
  },
})
