import { joinDedupKey } from '@weir/contracts'
import { asObject, identified, idOf, missing, wrongType } from './fields.ts'
import type { SourceDefinition } from './source.ts'

const FAILED = 'Payload validation failed: '

/** Updates of Data Actions: the latest state of an interaction. */
export const nice: SourceDefinition = {
  name: 'nice',
  paths: ['/webhooks/nice', '/cxone/webhook/data-action'],
  verifier: { kind: 'hmac', header: 'x-nice-signature', algorithm: 'sha256', encoding: 'hex', prefix: '' },
  statusMissing: 403,
  statusInvalid: 401,
  answerMissing: 'Missing webhook signature header',
  answerInvalid: 'Invalid webhook signature',
  answerField: 'detail',
  onInvalid: 'reject-400',
  identify: (payload) => {
    const event = asObject(payload)
    if (event === undefined) return wrongType('the body', 'an object', `${FAILED}the body is not an object`)
    const parts: string[] = []
    for (const field of ['interactionId', 'dataActionId', 'updatedTimestamp']) {
      const value = event[field]
      if (value === undefined) return missing(field, `${FAILED}${field} is missing`)
      const id = typeof value === 'string' ? idOf(value) : undefined
      if (id === undefined)
        return wrongType(field, 'a text of 1 to 512 bytes', `${FAILED}${field} is not a text`)
      parts.push(id)
    }
    if (event.payload !== undefined && asObject(event.payload) === undefined) {
      return wrongType('payload', 'an object', `${FAILED}payload is not an object`)
    }
    const eventType = 'data.action.updated'
    return identified({ interactionId: parts[0]!, eventType, dedupKey: joinDedupKey(parts) })
  },
}
