import { bodyChecksumOf } from './body-checksum.ts'
import { asEventKey, type EntityKey, type EventKey } from './ids.ts'
import { isDeadLetterReason, type DeadLetterReason } from '../registry/reasons.ts'
import { parseSequence } from './sequence.ts'
import { bodyFormText, parseBodyForm, type BodyForm } from '../values/json-body.ts'
import { HEADER, type WireHeaders, type WireRecord } from './wire.ts'

export interface IntakeError {
  readonly reason: DeadLetterReason
  /** Names the field or the rule. Never quotes the body. */
  readonly detail: string
  /** Whether ingress responded with 2xx or 400. */
  readonly answered: 'accepted' | 'rejected'
  /** The body is an element of a batch. */
  readonly isElement?: boolean
  /**
   * Values outside of the body that the keys of the source use, by name. A body that is repaired later gets its keys
   * from them.
   */
  readonly keyFacts?: Readonly<Record<string, string>>
}

/**
 * An authenticated webhook, which ingress writes to `webhooks.received.v1` and dedup forwards to `webhooks.unique.v1`.
 */
export interface ReceivedWebhook {
  readonly source: string
  readonly entityKey: EntityKey
  readonly interactionId: string
  readonly eventKey: EventKey
  readonly dedupKey: string
  /** The missing part, if the dedup key fell back to the hash of the body. */
  readonly dedupKeyFallback?: string
  /** 8 bytes, see `bodyHashOf`. */
  readonly bodyHash: Buffer
  /** 16 bytes, see `contentKeyOf`. Present only if the dedup key comes from values that are not signed. */
  readonly contentKey?: Buffer
  readonly eventType: string
  /** Epoch ms on the clock of ingress. It is information only; no decision uses it. */
  readonly receivedAt: number
  readonly providerSequence?: bigint
  readonly contentType?: string
  /** Absent: the raw bytes are JSON. */
  readonly bodyForm?: BodyForm
  readonly traceparent?: string
  readonly intakeError?: IntakeError
  /** The response body for the provider, unless it is Weir's own 2xx; see `ANSWER_BYTES_MAX`. */
  readonly answer?: string
  /** The exact bytes that came in. */
  readonly raw: Buffer
}

/** A record is not a `ReceivedWebhook`, so something other than Weir wrote to the topic. */
export class InvalidRecordError extends Error {
  override readonly name = 'InvalidRecordError'
}

/** A longer response repeats the payload, so it is not stored beside it. */
export const ANSWER_BYTES_MAX = 512

export const encodeReceivedWebhook = (webhook: ReceivedWebhook): WireRecord => {
  const headers: Record<string, Buffer> = {
    [HEADER.source]: Buffer.from(webhook.source),
    [HEADER.eventKey]: webhook.eventKey,
    [HEADER.bodyHash]: webhook.bodyHash,
    [HEADER.bodyCrc32]: bodyChecksumOf(webhook.raw),
    [HEADER.dedupKey]: Buffer.from(webhook.dedupKey),
    [HEADER.eventType]: Buffer.from(webhook.eventType),
    [HEADER.interactionId]: Buffer.from(webhook.interactionId),
    [HEADER.receivedAt]: Buffer.from(String(webhook.receivedAt)),
  }
  if (webhook.contentKey !== undefined) headers[HEADER.contentKey] = webhook.contentKey
  const optional = (name: string, value: string | bigint | undefined) => {
    if (value !== undefined) headers[name] = Buffer.from(String(value))
  }
  optional(HEADER.dedupKeyFallback, webhook.dedupKeyFallback)
  optional(HEADER.providerSequence, webhook.providerSequence)
  optional(HEADER.contentType, webhook.contentType)
  optional(HEADER.bodyForm, webhook.bodyForm && bodyFormText(webhook.bodyForm))
  optional(HEADER.traceparent, webhook.traceparent)
  optional(HEADER.intakeError, webhook.intakeError?.reason)
  optional(HEADER.intakeErrorDetail, webhook.intakeError?.detail)
  optional(HEADER.answered, webhook.intakeError?.answered)
  optional(HEADER.element, webhook.intakeError?.isElement ? 'true' : undefined)
  optional(HEADER.keyFacts, webhook.intakeError?.keyFacts && JSON.stringify(webhook.intakeError.keyFacts))
  optional(HEADER.answer, webhook.answer)
  return { key: Buffer.from(webhook.entityKey), value: webhook.raw, headers }
}

/** Throws an `InvalidRecordError` that names the header and never its content. */
export const decodeReceivedWebhook = (record: {
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: WireHeaders
}): ReceivedWebhook => {
  const { key, value, headers } = record
  if (key === null || value === null) throw new InvalidRecordError('a webhook record needs a key and a value')
  const text = (name: string): string | undefined => headers[name]?.toString()
  const required = (name: string): Buffer => {
    const bytes = headers[name]
    if (bytes === undefined) throw new InvalidRecordError(`header ${name} is missing`)
    return bytes
  }
  const eventKey = required(HEADER.eventKey)
  const bodyHash = required(HEADER.bodyHash)
  if (eventKey.length !== 16) throw new InvalidRecordError(`header ${HEADER.eventKey} is not 16 bytes`)
  if (bodyHash.length !== 8) throw new InvalidRecordError(`header ${HEADER.bodyHash} is not 8 bytes`)
  const contentKey = headers[HEADER.contentKey]
  if (contentKey !== undefined && contentKey.length !== 16) {
    throw new InvalidRecordError(`header ${HEADER.contentKey} is not 16 bytes`)
  }
  const reason = text(HEADER.intakeError)
  if (reason !== undefined && !isDeadLetterReason(reason)) {
    throw new InvalidRecordError(`header ${HEADER.intakeError} is not a known reason`)
  }
  const fallback = text(HEADER.dedupKeyFallback)
  const sequenceText = text(HEADER.providerSequence)
  const sequence = sequenceText === undefined ? undefined : parseSequence(sequenceText)
  if (sequenceText !== undefined && sequence === undefined) {
    throw new InvalidRecordError(`header ${HEADER.providerSequence} is not a sequence number`)
  }
  const contentType = text(HEADER.contentType)
  const answer = text(HEADER.answer)
  const bodyForm = parseBodyForm(text(HEADER.bodyForm))
  const traceparent = text(HEADER.traceparent)
  const webhook: { -readonly [K in keyof ReceivedWebhook]: ReceivedWebhook[K] } = {
    source: required(HEADER.source).toString(),
    entityKey: key.toString() as EntityKey,
    interactionId: required(HEADER.interactionId).toString(),
    eventKey: asEventKey(eventKey),
    dedupKey: required(HEADER.dedupKey).toString(),
    bodyHash,
    eventType: required(HEADER.eventType).toString(),
    receivedAt: Number(required(HEADER.receivedAt).toString()),
    raw: value,
  }
  // Every service decodes every event, and object spreads took a third of the time.
  if (contentKey !== undefined) webhook.contentKey = contentKey
  if (fallback !== undefined) webhook.dedupKeyFallback = fallback
  if (sequence !== undefined) webhook.providerSequence = sequence
  if (contentType !== undefined) webhook.contentType = contentType
  if (bodyForm !== undefined) webhook.bodyForm = bodyForm
  if (traceparent !== undefined) webhook.traceparent = traceparent
  if (answer !== undefined) webhook.answer = answer
  if (reason !== undefined) {
    webhook.intakeError = {
      reason,
      detail: text(HEADER.intakeErrorDetail) ?? '',
      answered: text(HEADER.answered) === 'rejected' ? 'rejected' : 'accepted',
      ...detailsOf(headers),
    }
  }
  return webhook
}

/** The details of a malformed body; see `IntakeError`. */
const detailsOf = (headers: WireHeaders): Pick<IntakeError, 'isElement' | 'keyFacts'> => {
  const facts = headers[HEADER.keyFacts]
  return {
    ...(headers[HEADER.element] !== undefined && { isElement: true }),
    ...(facts !== undefined && { keyFacts: parseKeyFacts(facts) }),
  }
}

/** Throws an `InvalidRecordError`. */
export const parseKeyFacts = (header: Buffer): Readonly<Record<string, string>> => {
  try {
    const facts = JSON.parse(header.toString()) as unknown
    if (isTexts(facts)) return facts
  } catch {
    // Malformed JSON is reported below.
  }
  throw new InvalidRecordError(`header ${HEADER.keyFacts} is not an object of texts`)
}

const isTexts = (value: unknown): value is Record<string, string> =>
  typeof value === 'object' && value !== null && Object.values(value).every((one) => typeof one === 'string')
