import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { bodyHashOf, entityKeyOf, eventKeyOf, type ReceivedWebhook } from '@weir/contracts'
import { isBearer, verifySignature, type IntakeProblem, type SourceDefinition } from '@weir/sources'
import { parseStrictJson } from './strict-json.ts'

/** What a request turns out to be. Only `accept` reaches Kafka. */
export type Intake =
  | { readonly kind: 'refuse'; readonly status: number; readonly answer: string }
  /** `status` and `answer` once the brokers have the webhook. */
  | {
      readonly kind: 'accept'
      readonly webhook: ReceivedWebhook
      readonly status: number
      readonly answer: string
    }

export interface IntakeRequest {
  readonly headers: IncomingHttpHeaders
  readonly raw: Buffer
  /** Epoch ms. */
  readonly receivedAt: number
}

export interface SourceAccess {
  readonly source: SourceDefinition
  readonly secrets: readonly string[]
  readonly token?: string | undefined
}

const TRACEPARENT = /^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}$/
const CONTENT_TYPE_MAX = 128

/** Judges one request: signature over the raw bytes first, then JSON, then identity. Pure and total. */
export const intake = (access: SourceAccess, bodyHashKey: Buffer, request: IntakeRequest): Intake => {
  const { source } = access
  const verdict = authenticate(access, request)
  if (verdict === 'missing') return refuse(source, source.statusMissing, source.answerMissing)
  if (verdict === 'invalid') return refuse(source, source.statusInvalid, source.answerInvalid)

  const { raw, receivedAt, headers } = request
  const bodyHash = bodyHashOf(bodyHashKey, raw)
  const contentType = headers['content-type']?.slice(0, CONTENT_TYPE_MAX)
  const { traceparent } = headers
  const common = {
    ...{ source: source.name, bodyHash, receivedAt, raw },
    ...(contentType !== undefined && { contentType }),
    ...(typeof traceparent === 'string' && TRACEPARENT.test(traceparent) && { traceparent }),
  }
  const parsed = parseStrictJson(raw)
  if (parsed.kind === 'problem')
    return malformed(source, common, { ...parsed, answer: INVALID_JSON[source.name] })
  const rawHash = createHash('sha256').update(raw).digest('hex')
  const result = source.identify(parsed.value, rawHash)
  if (result.kind === 'problem') return malformed(source, common, result.problem)

  const { interactionId, eventType, dedupKey, dedupKeyFallback, sequence } = result.identity
  const eventKey = eventKeyOf(source.name, dedupKey)
  const webhook: ReceivedWebhook = {
    ...common,
    ...{ interactionId, eventType, dedupKey, eventKey, entityKey: entityKeyOf(source.name, interactionId) },
    ...(dedupKeyFallback !== undefined && { dedupKeyFallback }),
    ...(sequence !== undefined && { providerSequence: sequence }),
  }
  return { kind: 'accept', webhook, status: 200, answer: accepted(webhook) }
}

const INVALID_JSON = {
  cxone: '',
  cognigy: 'Invalid JSON syntax in Cognigy webhook payload',
  'cxone-dataaction': 'Malformed JSON',
  nice: 'Malformed JSON payload',
} as const

const authenticate = ({ source, secrets, token }: SourceAccess, { headers, raw }: IntakeRequest) => {
  const { verifier } = source
  if (verifier.kind === 'hmac') return verifySignature(verifier, secrets, headers[verifier.header], raw)
  // The peer's address was checked before the body was read.
  return token === undefined || isBearer(headers.authorization, token) ? 'valid' : 'missing'
}

const accepted = ({ eventKey, interactionId }: ReceivedWebhook): string =>
  `{"status":"accepted","eventKey":"${eventKey.toString('hex')}","interactionId":${JSON.stringify(interactionId)}}`

/** Authentic all the same: it goes through the pipeline and becomes a dead letter there, once for each body. */
const malformed = (
  source: SourceDefinition,
  common: Pick<ReceivedWebhook, 'source' | 'bodyHash' | 'receivedAt' | 'raw'>,
  problem: IntakeProblem,
): Intake => {
  const dedupKey = `malformed:${common.bodyHash.toString('hex')}`
  const isRejected = source.onInvalid === 'reject-400'
  const webhook: ReceivedWebhook = {
    ...common,
    ...{ dedupKey, interactionId: '', eventType: 'malformed' },
    eventKey: eventKeyOf(source.name, dedupKey),
    entityKey: entityKeyOf(source.name, dedupKey),
    intakeError: {
      reason: problem.reason,
      detail: problem.detail,
      answered: isRejected ? 'rejected' : 'accepted',
    },
  }
  const answer = isRejected ? answerOf(source, problem.answer ?? problem.detail) : accepted(webhook)
  return { kind: 'accept', webhook, status: isRejected ? 400 : 200, answer }
}

const refuse = (source: SourceDefinition, status: number, text: string): Intake => ({
  kind: 'refuse',
  status,
  answer: answerOf(source, text),
})

export const answerOf = ({ answerField }: SourceDefinition, text: string): string =>
  answerField === undefined ? '' : JSON.stringify({ [answerField]: text })
