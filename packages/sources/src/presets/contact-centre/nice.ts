import { joinDedupKey } from '@weir/contracts'
import { REFUSALS } from '../../responses.ts'
import { asObject, identified, idOf, noId, wrongType } from '../../fields.ts'
import type { Identified } from '../../source.ts'
import { hmacOverBody } from '../../verifier/spec.ts'
import { defineSource } from '../define-source.ts'

/** The dead letter and the response have the same text. */
const failed = (found: Identified): Identified => {
  if (found.kind === 'identified') return found
  const answer = `Payload validation failed: ${found.problem.detail}`
  return { kind: 'problem', problem: { ...found.problem, answer } }
}

/** Updates of Data Actions with the latest state of an interaction. */
export const nice = defineSource('nice', {
  ...REFUSALS.nice,
  paths: ['/webhooks/nice', '/cxone/webhook/data-action'],
  verifier: hmacOverBody('x-nice-signature', 'hex'),
  knownFields: ['interactionId', 'dataActionId', 'updatedTimestamp', 'payload'],
  identify: (payload) => {
    const event = asObject(payload)
    if (event === undefined) return failed(wrongType('the body', 'an object'))
    const parts: string[] = []
    for (const field of ['interactionId', 'dataActionId', 'updatedTimestamp']) {
      const value = event[field]
      const id = typeof value === 'string' ? idOf(value) : undefined
      if (id === undefined) return failed(noId(field, value, { form: 'a text' }))
      parts.push(id)
    }
    if (event.payload !== undefined && asObject(event.payload) === undefined) {
      return failed(wrongType('payload', 'an object'))
    }
    const eventType = 'data.action.updated'
    return identified({ interactionId: parts[0]!, eventType, dedupKey: joinDedupKey(parts) })
  },
})
