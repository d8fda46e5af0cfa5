import { hash } from 'node:crypto'
import { bodyHashOf, entityKeyOf, eventKeyOf, type HmacKey, type ReceivedWebhook } from '@weir/contracts'
import { isJsonObject } from '@weir/exact-json'
import {
  stableBody,
  type Identified,
  type IntakeProblem,
  type JsonValue,
  type RequestFacts,
  type RequestHeaders,
  type SourceDefinition,
} from '@weir/sources'
import { parseStrictJson, type Parsed } from './strict-json.ts'

/** What all bodies of one request share. */
export interface BodyContext {
  readonly source: SourceDefinition
  readonly bodyHashKey: HmacKey
  readonly headers: RequestHeaders
  readonly common: Pick<ReceivedWebhook, 'source' | 'receivedAt' | 'contentType' | 'traceparent'>
}

/** Authentic all the same: it goes through the pipeline and becomes a dead letter there, once for each body. */
export interface MalformedBody {
  readonly kind: 'malformed'
  readonly raw: Buffer
  readonly bodyHash: Buffer
  readonly problem: IntakeProblem
}

export type JudgedBody =
  { readonly kind: 'event'; readonly webhook: ReceivedWebhook; readonly payload: JsonValue } | MalformedBody

/** Judges a body, or an element of a batch as a body of its own: `around` is the batch without its elements. */
export const judgeBody = (
  context: BodyContext,
  raw: Buffer,
  given?: Parsed,
  around?: RequestFacts['around'],
): JudgedBody => {
  const { source, bodyHashKey, headers, common } = context
  const parsed = given ?? parseBody(source, raw)
  if (parsed.kind === 'problem') {
    const { answerMalformed: answer } = source
    const problem: IntakeProblem = {
      ...{ reason: parsed.reason, detail: parsed.detail },
      ...(answer !== undefined && { answer }),
    }
    return malformedBody(context, raw, problem)
  }
  const stable = stableBody(raw, parsed.value, source.volatileFields)
  const bodyHash = bodyHashOf(bodyHashKey, stable)
  const facts: RequestFacts = {
    bodyHash: () => hash('sha256', stable, 'hex'),
    header: (name) => headers.get(name),
    ...(around && { around }),
  }
  const result =
    unknownField(source, parsed.value) ??
    notAnObject(source, parsed.value, source.identify(parsed.value, facts))
  if (result.kind === 'problem') return { kind: 'malformed', raw, bodyHash, problem: result.problem }

  const { interactionId, eventType, dedupKey, dedupKeyFallback, sequence } = result.identity
  const webhook: ReceivedWebhook = {
    ...common,
    ...{ raw, bodyHash, interactionId, eventType, dedupKey, eventKey: eventKeyOf(source.name, dedupKey) },
    entityKey: entityKeyOf(source.name, interactionId),
    ...(dedupKeyFallback !== undefined && { dedupKeyFallback }),
    ...(sequence !== undefined && { providerSequence: sequence }),
  }
  return { kind: 'event', webhook, payload: parsed.value }
}

const parseBody = (source: SourceDefinition, raw: Buffer): Parsed =>
  source.body === 'opaque' ? { kind: 'parsed', value: null } : parseStrictJson(raw)

const malformedBody = ({ bodyHashKey }: BodyContext, raw: Buffer, problem: IntakeProblem): MalformedBody => ({
  kind: 'malformed',
  raw,
  bodyHash: bodyHashOf(bodyHashKey, raw),
  problem,
})

const unknownField = (source: SourceDefinition, payload: JsonValue) => {
  if (source.unknownFields !== 'reject' || typeof payload !== 'object' || payload === null) return undefined
  const count = Object.keys(payload).filter((name) => !source.knownFields.includes(name)).length
  if (count === 0) return undefined
  // The names are the sender's: they are not repeated.
  const problem: IntakeProblem = {
    reason: 'unknown_field',
    detail: `${count} top-level fields are not known`,
  }
  return { kind: 'problem', problem } as const
}

/** Events are objects; a preset may have its own words for what is none. */
const notAnObject = (source: SourceDefinition, payload: JsonValue, identified: Identified): Identified => {
  if (source.body === 'opaque' || isJsonObject(payload)) return identified
  if (identified.kind === 'problem' && identified.problem.answer !== undefined) return identified
  const detail =
    Array.isArray(payload) && source.split === undefined
      ? 'the body is an array: set `split` to take its elements as events'
      : 'the body is not an object'
  return { kind: 'problem', problem: { reason: 'wrong_type', detail } }
}

/** The record of a malformed body. `isRejected`: it was answered 400. */
export const letterOf = (
  { source, common }: BodyContext,
  { raw, bodyHash, problem }: MalformedBody,
  isRejected: boolean,
): ReceivedWebhook => {
  const dedupKey = `malformed:${bodyHash.toString('hex')}`
  return {
    ...common,
    ...{ raw, bodyHash, dedupKey, interactionId: '', eventType: 'malformed' },
    eventKey: eventKeyOf(source.name, dedupKey),
    entityKey: entityKeyOf(source.name, dedupKey),
    intakeError: {
      reason: problem.reason,
      detail: problem.detail,
      answered: isRejected ? 'rejected' : 'accepted',
    },
  }
}
