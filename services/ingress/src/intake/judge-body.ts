import { hash } from 'node:crypto'
import {
  BodyFormError,
  bodyHashOf,
  contentKeyOf,
  entityKeyOf,
  eventKeyOf,
  jsonBody,
  plainBody,
  type FormedBody,
  type HmacKey,
  type ReceivedWebhook,
} from '@weir/contracts'
import { isJsonObject } from '@weir/exact-json'
import {
  collectKeyFacts,
  stableBody,
  type Identified,
  type IntakeProblem,
  type JsonValue,
  type KeyFacts,
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
  /** The signed content, or its hash for the elements of a batch. Set if the dedup key can come from unsigned data. */
  readonly signedContent: Buffer | undefined
  readonly common: Pick<ReceivedWebhook, 'source' | 'receivedAt' | 'contentType' | 'traceparent'>
}

/**
 * An authentic body that is malformed. It passes through the pipeline and becomes one dead letter for each combination
 * of the body and the other parts of its keys.
 */
export interface MalformedBody extends FormedBody {
  readonly kind: 'malformed'
  readonly bodyHash: Buffer
  readonly problem: IntakeProblem
  /** Set for an element of a batch. */
  readonly around: RequestFacts['around']
}

export type JudgedBody =
  { readonly kind: 'event'; readonly webhook: ReceivedWebhook; readonly payload: JsonValue } | MalformedBody

/** A body with the bytes that are hashed, parsed and split. */
export interface HeldBody extends FormedBody {
  readonly bytes: Buffer
  /** Why `bytes` are only the raw body. */
  readonly problem?: Parsed
}

/** The content of a body: JSON, or anything if the source is opaque. */
export const holdBody = (
  { body }: SourceDefinition,
  given: FormedBody,
  bytesMax: number | undefined,
): HeldBody | 'too_large' => {
  try {
    return { ...given, bytes: (body === 'opaque' ? plainBody : jsonBody)(given, bytesMax) }
  } catch (error) {
    if (!(error instanceof BodyFormError)) throw error
    if (error.kind === 'too_large') return 'too_large'
    const { message: detail } = error
    return { ...given, bytes: given.raw, problem: { kind: 'problem', reason: 'invalid_encoding', detail } }
  }
}

/** Checks a body, or an element of a batch like a body of its own. `around` is the batch without its elements. */
export const judgeBody = (
  context: BodyContext,
  body: HeldBody,
  given?: Parsed,
  around?: RequestFacts['around'],
): JudgedBody => {
  const { source, bodyHashKey, headers, common } = context
  const { raw, bodyForm, bytes } = body
  const parsed = given ?? parseBody(source, bytes)
  if (parsed.kind === 'problem') {
    const { answerMalformed: answer } = source
    const problem: IntakeProblem = {
      reason: parsed.reason,
      detail: parsed.detail,
      ...(answer !== undefined && { answer }),
    }
    return { kind: 'malformed', raw, bodyForm, bodyHash: bodyHashOf(bodyHashKey, bytes), problem, around }
  }
  const stable = stableBody(bytes, parsed.value, source.volatileFields)
  const bodyHash = bodyHashOf(bodyHashKey, stable)
  let digest: string | undefined
  const facts: RequestFacts = {
    bodyHash: () => (digest ??= hash('sha256', stable, 'hex')),
    header: (name) => headers.get(name),
    headerCount: (name) => headers.count(name),
    ...(around && { around }),
  }
  const result =
    unknownField(source, parsed.value) ??
    notAnObject(source, parsed.value, source.identify(parsed.value, facts))
  if (result.kind === 'problem')
    return { kind: 'malformed', raw, bodyForm, bodyHash, problem: result.problem, around }

  const { interactionId, eventType, dedupKey, dedupKeyFallback, sequence } = result.identity
  const { signedContent } = context
  const webhook: ReceivedWebhook = {
    ...common,
    // An element of a batch is signed together with all others.
    ...(signedContent !== undefined && {
      contentKey: contentKeyOf(source.name, around ? Buffer.concat([signedContent, raw]) : signedContent),
    }),
    raw,
    bodyHash,
    interactionId,
    eventType,
    dedupKey,
    eventKey: eventKeyOf(source.name, dedupKey),
    entityKey: entityKeyOf(source.name, interactionId),
    ...(bodyForm !== undefined && { bodyForm }),
    ...(dedupKeyFallback !== undefined && { dedupKeyFallback }),
    ...(sequence !== undefined && { providerSequence: sequence }),
  }
  return { kind: 'event', webhook, payload: parsed.value }
}

const parseBody = (source: SourceDefinition, raw: Buffer): Parsed =>
  source.body === 'opaque' ? { kind: 'parsed', value: null } : parseStrictJson(raw)

const unknownField = (source: SourceDefinition, payload: JsonValue) => {
  if (source.unknownFields !== 'reject' || typeof payload !== 'object' || payload === null) return undefined
  const count = Object.keys(payload).filter((name) => !source.knownFields.includes(name)).length
  if (count === 0) return undefined
  // The names come from the sender, so they are not repeated.
  const problem: IntakeProblem = { reason: 'unknown_field', detail: `${count} unknown top-level fields` }
  return { kind: 'problem', problem } as const
}

/** Events are objects. A preset may have its own text for other values. */
const notAnObject = (source: SourceDefinition, payload: JsonValue, identified: Identified): Identified => {
  if (source.body === 'opaque' || isJsonObject(payload)) return identified
  if (identified.kind === 'problem' && identified.problem.answer !== undefined) return identified
  const detail =
    Array.isArray(payload) && source.split === undefined
      ? 'the body is an array: set `split` to take its elements as events'
      : 'the body is not an object'
  return { kind: 'problem', problem: { reason: 'wrong_type', detail } }
}

/** Equal bodies are one letter, unless they would be two events after a repair. */
const malformedKey = (bodyHash: Buffer, facts: KeyFacts): string => {
  const body = `malformed:${bodyHash.toString('hex')}`
  const texts = Object.entries(facts).flat()
  return texts.length === 0 ? body : `${body}:${hash('sha256', JSON.stringify(texts), 'hex').slice(0, 32)}`
}

/** The record of a malformed body. `isRejected`: the response was 400. */
export const letterOf = (
  { source, headers, common }: BodyContext,
  { raw, bodyForm, bodyHash, problem, around }: MalformedBody,
  isRejected: boolean,
): ReceivedWebhook => {
  const keyFacts = collectKeyFacts(source.identify.asks ?? [], (name) => headers.get(name), around)
  const dedupKey = malformedKey(bodyHash, keyFacts)
  return {
    ...common,
    raw,
    bodyHash,
    dedupKey,
    interactionId: '',
    eventType: 'malformed',
    ...(bodyForm !== undefined && { bodyForm }),
    eventKey: eventKeyOf(source.name, dedupKey),
    entityKey: entityKeyOf(source.name, dedupKey),
    intakeError: {
      reason: problem.reason,
      detail: problem.detail,
      answered: isRejected ? 'rejected' : 'accepted',
      ...(around && { isElement: true }),
      ...(Object.keys(keyFacts).length > 0 && { keyFacts }),
    },
  }
}
