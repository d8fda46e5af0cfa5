import { createHash } from 'node:crypto'
import { joinDedupKey } from '@weir/contracts'
import { numberText } from '@weir/exact-json'
import { REFUSALS } from '../answers.ts'
import { asObject, identified, idOf, missing, typeName, wrongType } from '../fields.ts'
import { defineSource } from './define-source.ts'

const REQUIRED = [
  ['conversationId', 'string'],
  ['sessionId', 'string'],
  ['intent', 'string'],
  ['userId', 'string'],
  ['timestamp', 'number'],
] as const

/** Intents of a bot. Cognigy signs nothing by default: the peer's address decides, and a token where one is set. */
export const cognigy = defineSource('cognigy', {
  ...REFUSALS.cognigy,
  verifier: { kind: 'address', tokenHeader: 'authorization' },
  knownFields: REQUIRED.map(([field]) => field),
  identify: (payload) => {
    const event = asObject(payload)
    if (event === undefined) return wrongType('the body', 'an object')
    for (const [field, wanted] of REQUIRED) {
      const value = event[field]
      if (value === undefined) return missing(field, `Missing required field: ${field}`)
      if (typeName(value) !== wanted) {
        return wrongType(
          field,
          wanted,
          `Type mismatch for ${field}. Expected ${wanted}, got ${typeName(value)}`,
        )
      }
    }
    const interactionId = idOf(event.conversationId)
    if (interactionId === undefined) return wrongType('conversationId', 'a text of 1 to 512 bytes')
    // Their types were checked above.
    const timestamp = numberText(event.timestamp as number)
    const parts = [interactionId, timestamp, event.sessionId as string]
    const dedupKey = createHash('sha256').update(joinDedupKey(parts)).digest('hex')
    return identified({ interactionId, eventType: 'cognigy.intent', dedupKey })
  },
})
