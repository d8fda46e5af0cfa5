import { hash } from 'node:crypto'
import { ANSWER_BYTES_MAX, type HmacKey, type ReceivedWebhook } from '@weir/contracts'
import {
  acceptedBatchResponse,
  acceptedResponse,
  bodyFormOf,
  isCrcText,
  type CertificateResult,
  type HandshakeReply,
  type JsonValue,
  type RequestHeaders,
  type RequestLine,
  type SourceAccess,
  type SourceDefinition,
  type TokenResult,
  type SignatureResult,
} from '@weir/sources'
import { TOO_LARGE } from './response.ts'
import { handshakeIn, parseForHandshake } from './handshake.ts'
import { holdBody, judgeBody, letterOf, type BodyContext, type JudgedBody } from './judge-body.ts'
import { errorBody, refusalOf, type AccessResult, type Refusal } from './judge-head.ts'
import { readBatch, splitOf, type Elements } from './read-batch.ts'

/** The result of a request. Only `accept` reaches Kafka. */
export type Intake =
  | Refusal
  /** Authentic, with nothing to store. */
  | {
      readonly kind: 'respond'
      readonly status: number
      readonly body: string
      readonly result: AccessResult
    }
  /** Authentic, and asks whether events may be sent. */
  | { readonly kind: 'handshake'; readonly reply: HandshakeReply; readonly result: AccessResult }
  /** `status` and `body` are sent when the brokers have every webhook: one, or one for each element of a batch. */
  | {
      readonly kind: 'accept'
      readonly webhooks: readonly ReceivedWebhook[]
      readonly status: number
      readonly body: string
      readonly result: AccessResult
    }

export interface IntakeRequest {
  readonly headers: RequestHeaders
  readonly raw: Buffer
  readonly line?: RequestLine
  /** The result of its JWT check, if the source requires one. */
  readonly token?: TokenResult | undefined
  /** The result of its certificate check, if the source requires one. Only `good` arrives here. */
  readonly certificate?: CertificateResult | undefined
  /** The limit for a compressed body. */
  readonly bodyBytesMax?: number
  /** Epoch ms. */
  readonly receivedAt: number
}

const TRACEPARENT = /^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}$/
const CONTENT_TYPE_MAX = 128

/**
 * Checks a request that `judgeHead` accepted: its JWT, the signature over the raw bytes, then JSON, then identity.
 * Pure, and never throws.
 */
export const intake = (access: SourceAccess, bodyHashKey: HmacKey, request: IntakeRequest): Intake => {
  if (request.token?.kind === 'unavailable') return request.token
  const result = authenticate(access, request, request.token)
  return refusalOf(access.source, result) ?? judge(access, bodyHashKey, request, result)
}

const authenticate = (
  { source, verify, checkToken }: SourceAccess,
  { headers, raw, line, certificate, receivedAt }: IntakeRequest,
  jwt: SignatureResult | undefined,
): AccessResult => {
  if (checkToken !== undefined && jwt?.kind !== 'valid') return jwt ?? { kind: 'missing' }
  // The peer's address was checked before the body was read.
  if (verify === undefined)
    return jwt ?? (certificate ? { kind: 'certificate', found: certificate } : { kind: 'unsigned' })
  // Anyone can have these bodies signed.
  if (source.handshakes.includes('twitter-crc') && isCrcText(raw))
    return { kind: 'invalid', reason: 'no_match' }
  const result = verify(headers, raw, receivedAt, line)
  return result.kind === 'missing' && source.unsigned ? { kind: 'unsigned' } : result
}

const judge = (
  access: SourceAccess,
  bodyHashKey: HmacKey,
  { headers, raw, line, bodyBytesMax, receivedAt }: IntakeRequest,
  result: AccessResult,
): Intake => {
  const { source, contentOf } = access
  const body = holdBody(source, { raw, bodyForm: bodyFormOf(source, headers) }, bodyBytesMax)
  if (body === 'too_large') return { kind: 'respond', result, status: 413, body: TOO_LARGE.body }
  const parsed = body.problem ?? parseForHandshake(source, body.bytes)
  if (parsed?.kind === 'parsed') {
    const secretIndex = result.kind === 'valid' ? result.secret : undefined
    const reply = handshakeIn(access, headers, parsed.value, secretIndex)
    if (reply !== undefined) return { kind: 'handshake', reply, result }
  }
  const contentType = headers.get('content-type')?.slice(0, CONTENT_TYPE_MAX)
  const traceparent = headers.get('traceparent')
  const context: BodyContext = {
    source,
    bodyHashKey,
    headers,
    signedContent: result.kind === 'valid' ? contentOf?.(headers, raw, line) : undefined,
    common: {
      source: source.name,
      receivedAt,
      ...(contentType !== undefined && { contentType }),
      ...(traceparent !== undefined && TRACEPARENT.test(traceparent) && { traceparent }),
    },
  }
  const split = body.problem === undefined ? splitOf(source, contentType) : undefined
  const batch = split && readBatch(split, body.bytes)
  if (split === undefined || batch === undefined) {
    const given = source.body === 'opaque' ? body.problem : parsed
    return single(context, judgeBody(context, body, given), result)
  }
  switch (batch.kind) {
    case 'problem':
      return single(context, judgeBody(context, body, batch.problem), result)
    case 'too_many':
      return { kind: 'respond', result, status: 413, body: tooMany(split.itemsMax) }
    case 'elements':
      return elements(context, batch, result)
  }
}

const tooMany = (max: number): string =>
  JSON.stringify({ error: `More than ${max} elements: send them in several requests` })

const single = (context: BodyContext, judged: JudgedBody, result: AccessResult): Intake => {
  const { source } = context
  if (judged.kind === 'event') {
    const { webhook, payload } = judged
    const body = accepted(source, webhook, payload)
    return { kind: 'accept', webhooks: [answered(source, webhook, 200, body)], result, status: 200, body }
  }
  const isRejected = source.onInvalid === 'reject-400'
  const webhook = letterOf(context, judged, isRejected)
  const { answer: own = source.answerStructure, detail } = judged.problem
  const status = isRejected ? 400 : 200
  const body = isRejected ? errorBody(source, own ?? detail) : accepted(source, webhook, null)
  return { kind: 'accept', webhooks: [answered(source, webhook, status, body)], result, status, body }
}

/** The response is stored with the record, so that an export can show what the provider received. */
const answered = (
  source: SourceDefinition,
  webhook: ReceivedWebhook,
  status: number,
  answer: string,
): ReceivedWebhook => {
  const isOwn = status === 200 && source.accepted === 'weir'
  const isKept = !isOwn && Buffer.byteLength(answer) <= ANSWER_BYTES_MAX
  return isKept ? { ...webhook, answer } : webhook
}

/**
 * Each element becomes an event or a dead letter, as a body of its own would. A 2xx means that all of them are stored.
 * With `reject-400`, a batch without any event gets 400. The 2xx for a batch is not stored with its records, because it
 * concerns all of them.
 */
const elements = (context: BodyContext, batch: Elements, result: AccessResult): Intake => {
  const { source, signedContent } = context
  // The content key of each element includes the whole batch, which is hashed only once.
  const ofElement = { ...context, signedContent: signedContent && hash('sha256', signedContent, 'buffer') }
  const judged = batch.elements.map(({ raw, parsed }) =>
    judgeBody(ofElement, { raw, bytes: raw }, parsed, batch.around),
  )
  const bad = judged.filter((one) => one.kind === 'malformed')
  const isRejected = source.onInvalid === 'reject-400' && bad.length > 0 && bad.length === judged.length
  const webhooks = judged.map((one) =>
    one.kind === 'event' ? one.webhook : letterOf(context, one, isRejected),
  )
  if (isRejected) {
    const { answer: own, detail } = bad[0]!.problem
    const body = errorBody(source, own ?? `no element is an event; the first one: ${detail}`)
    const refused = webhooks.map((webhook) => answered(source, webhook, 400, body))
    return { kind: 'accept', webhooks: refused, result, status: 400, body }
  }
  const body = acceptedBatchResponse(source.accepted, {
    eventKeys: webhooks.map(({ eventKey }) => eventKey.toString('hex')),
    malformed: bad.length,
  })
  if (webhooks.length === 0) return { kind: 'respond', result, status: 200, body }
  return { kind: 'accept', webhooks, result, status: 200, body }
}

const accepted = (source: SourceDefinition, webhook: ReceivedWebhook, payload: JsonValue): string =>
  acceptedResponse(source.accepted, {
    identity: webhook,
    eventKey: webhook.eventKey.toString('hex'),
    isMalformed: webhook.intakeError !== undefined,
    payload,
    receivedAt: webhook.receivedAt,
  })
