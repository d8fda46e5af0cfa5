import { hash } from 'node:crypto'
import {
  ANSWER_BYTES_MAX,
  bodyHashOf,
  entityKeyOf,
  eventKeyOf,
  type HmacKey,
  type ReceivedWebhook,
} from '@weir/contracts'
import { isJsonObject } from '@weir/exact-json'
import {
  acceptedBody,
  isBasic,
  isBearer,
  stableBody,
  type Identified,
  type IntakeProblem,
  type JsonValue,
  type RequestFacts,
  type RequestHeaders,
  type SourceAccess,
  type SourceDefinition,
  type Verdict,
} from '@weir/sources'
import { parseStrictJson } from './strict-json.ts'

/** What a request turns out to be. Only `accept` reaches Kafka. */
export type Intake =
  | {
      readonly kind: 'refuse'
      readonly status: number
      readonly answer: string
      readonly verdict: AccessVerdict
    }
  /** Nobody can say now whether it is authentic. */
  | { readonly kind: 'unavailable' }
  /** `status` and `answer` once the brokers have the webhook. */
  | {
      readonly kind: 'accept'
      readonly webhook: ReceivedWebhook
      readonly status: number
      readonly answer: string
      readonly verdict: AccessVerdict
    }

/** What was found of a request's signature and token. */
export type AccessVerdict = Verdict | { readonly kind: 'unsigned' } | { readonly kind: 'token' }

export interface IntakeRequest {
  readonly headers: RequestHeaders
  readonly raw: Buffer
  /** Epoch ms. */
  readonly receivedAt: number
}

const TRACEPARENT = /^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}$/
const CONTENT_TYPE_MAX = 128

/** Judges one request: token and signature over the raw bytes first, then JSON, then identity. Pure and total. */
export const intake = (access: SourceAccess, bodyHashKey: HmacKey, request: IntakeRequest): Intake => {
  const { source } = access
  if (access.unavailable !== undefined) return { kind: 'unavailable' }
  const verdict = authenticate(access, request)
  if (verdict.kind === 'missing' || verdict.kind === 'token') {
    return {
      kind: 'refuse',
      verdict,
      status: source.statusMissing,
      answer: answerOf(source, source.answerMissing),
    }
  }
  if (verdict.kind === 'invalid') {
    return {
      kind: 'refuse',
      verdict,
      status: source.statusInvalid,
      answer: answerOf(source, source.answerInvalid),
    }
  }
  return judge(source, bodyHashKey, request, verdict)
}

const authenticate = (access: SourceAccess, { headers, raw, receivedAt }: IntakeRequest): AccessVerdict => {
  const { source, verify, token, basic } = access
  if (token !== undefined || basic !== undefined) {
    const given = headers.get('authorization')
    const isGood =
      (token !== undefined && isBearer(given, token)) || (basic !== undefined && isBasic(given, basic))
    if (!isGood) return { kind: 'token' }
  }
  // The peer's address was checked before the body was read.
  if (verify === undefined) return { kind: 'unsigned' }
  const verdict = verify(headers, raw, receivedAt)
  return verdict.kind === 'missing' && source.unsigned ? { kind: 'unsigned' } : verdict
}

type Common = Pick<ReceivedWebhook, 'source' | 'receivedAt' | 'raw' | 'contentType' | 'traceparent'>

const judge = (
  source: SourceDefinition,
  bodyHashKey: HmacKey,
  { headers, raw, receivedAt }: IntakeRequest,
  verdict: AccessVerdict,
): Intake => {
  const contentType = headers.get('content-type')?.slice(0, CONTENT_TYPE_MAX)
  const traceparent = headers.get('traceparent')
  const common: Common = {
    ...{ source: source.name, receivedAt, raw },
    ...(contentType !== undefined && { contentType }),
    ...(traceparent !== undefined && TRACEPARENT.test(traceparent) && { traceparent }),
  }
  const parsed = source.body === 'opaque' ? ({ kind: 'parsed', value: null } as const) : parseStrictJson(raw)
  if (parsed.kind === 'problem') {
    const { answerMalformed: answer } = source
    return malformed(source, common, bodyHashOf(bodyHashKey, raw), verdict, {
      ...{ reason: parsed.reason, detail: parsed.detail },
      ...(answer !== undefined && { answer }),
    })
  }
  const stable = stableBody(raw, parsed.value, source.volatileFields)
  const bodyHash = bodyHashOf(bodyHashKey, stable)
  const facts: RequestFacts = {
    bodyHash: () => hash('sha256', stable, 'hex'),
    header: (name) => headers.get(name),
  }
  const result =
    unknownField(source, parsed.value) ??
    notAnObject(source, parsed.value, source.identify(parsed.value, facts))
  if (result.kind === 'problem') return malformed(source, common, bodyHash, verdict, result.problem)

  const { interactionId, eventType, dedupKey, dedupKeyFallback, sequence } = result.identity
  const eventKey = eventKeyOf(source.name, dedupKey)
  const webhook: ReceivedWebhook = {
    ...common,
    ...{ bodyHash, interactionId, eventType, dedupKey, eventKey },
    entityKey: entityKeyOf(source.name, interactionId),
    ...(dedupKeyFallback !== undefined && { dedupKeyFallback }),
    ...(sequence !== undefined && { providerSequence: sequence }),
  }
  return answered(source, webhook, verdict, 200, accepted(source, webhook, parsed.value))
}

/** The answer goes with the record, so that an export can say what the provider was told. */
const answered = (
  source: SourceDefinition,
  webhook: ReceivedWebhook,
  verdict: AccessVerdict,
  status: number,
  answer: string,
): Intake => {
  const isOwn = status === 200 && source.accepted === 'weir'
  const isKept = !isOwn && Buffer.byteLength(answer) <= ANSWER_BYTES_MAX
  return { kind: 'accept', webhook: isKept ? { ...webhook, answer } : webhook, verdict, status, answer }
}

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
const notAnObject = (source: SourceDefinition, payload: JsonValue, identified: Identified): Identified =>
  source.body === 'opaque' || isJsonObject(payload) || identified.kind === 'problem'
    ? identified
    : { kind: 'problem', problem: { reason: 'wrong_type', detail: 'the body is not an object' } }

const accepted = (source: SourceDefinition, webhook: ReceivedWebhook, payload: JsonValue): string =>
  acceptedBody(source.accepted, {
    identity: webhook,
    eventKey: webhook.eventKey.toString('hex'),
    isMalformed: webhook.intakeError !== undefined,
    payload,
    receivedAt: webhook.receivedAt,
  })

/** Authentic all the same: it goes through the pipeline and becomes a dead letter there, once for each body. */
const malformed = (
  source: SourceDefinition,
  common: Common,
  bodyHash: Buffer,
  verdict: AccessVerdict,
  problem: IntakeProblem,
): Intake => {
  const dedupKey = `malformed:${bodyHash.toString('hex')}`
  const isRejected = source.onInvalid === 'reject-400'
  const webhook: ReceivedWebhook = {
    ...common,
    ...{ bodyHash, dedupKey, interactionId: '', eventType: 'malformed' },
    eventKey: eventKeyOf(source.name, dedupKey),
    entityKey: entityKeyOf(source.name, dedupKey),
    intakeError: {
      reason: problem.reason,
      detail: problem.detail,
      answered: isRejected ? 'rejected' : 'accepted',
    },
  }
  const answer = isRejected
    ? answerOf(source, problem.answer ?? problem.detail)
    : accepted(source, webhook, null)
  return answered(source, webhook, verdict, isRejected ? 400 : 200, answer)
}

/** The body of a refusal in the source's own form. */
export const answerOf = ({ answerField }: SourceDefinition, text: string): string =>
  answerField === undefined || text === '' ? '' : JSON.stringify({ [answerField]: text })
