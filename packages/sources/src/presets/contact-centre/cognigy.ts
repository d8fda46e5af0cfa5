import { createHash } from 'node:crypto'
import { joinDedupKey } from '@weir/contracts'
import { isNumber, numberText, type JsonValue } from '@weir/exact-json'
import { REFUSALS } from '../../responses.ts'
import { asObject, identified, idOf, noId, wrongType } from '../../fields.ts'
import { defineSource } from '../define-source.ts'

/** Cognigy waits 5 s in total for the body and the brokers. */
const REQUEST_BUDGET_MS = 4_500

/** In the order in which S1's program checked them, first for presence and then for type. */
const REQUIRED = [
  ['conversationId', 'string'],
  ['sessionId', 'string'],
  ['intent', 'string'],
  ['timestamp', 'number'],
  ['userId', 'string'],
] as const

/** As `typeof` names it, because S1's texts came from `typeof`: an array is an object. */
const typeofName = (value: JsonValue): string =>
  isNumber(value) ? 'number' : Array.isArray(value) ? 'object' : typeof value

/** Intents of a bot. Cognigy signs nothing by default, so the peer's address decides, and a token if one is set. */
export const cognigy = defineSource('cognigy', {
  ...REFUSALS.cognigy,
  verifier: { kind: 'address', tokenHeader: 'authorization' },
  limits: { requestBudgetMs: REQUEST_BUDGET_MS },
  knownFields: REQUIRED.map(([field]) => field),
  identify: (payload) => {
    const event = asObject(payload)
    // A value without fields lacks the first field.
    if (event === undefined) {
      return wrongType('the body', 'an object', `Missing required field: ${REQUIRED[0][0]}`)
    }
    for (const [field, wanted] of REQUIRED) {
      const value = event[field]
      if (value === undefined || value === null) {
        return noId(field, value, { answer: `Missing required field: ${field}` })
      }
      if (typeofName(value) !== wanted) {
        const answer = `Type mismatch for ${field}. Expected ${wanted}, got ${typeofName(value)}`
        return wanted === 'string'
          ? noId(field, value, { form: 'a text', answer })
          : wrongType(field, 'a number', answer)
      }
    }
    const interactionId = idOf(event.conversationId)
    if (interactionId === undefined) return noId('conversationId', event.conversationId)
    // Their types were checked above.
    const timestamp = numberText(event.timestamp as number)
    const parts = [interactionId, timestamp, event.sessionId as string]
    const dedupKey = createHash('sha256').update(joinDedupKey(parts)).digest('hex')
    return identified({ interactionId, eventType: 'cognigy.intent', dedupKey })
  },
})
