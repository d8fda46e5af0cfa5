import {
  asEventKey,
  BODY_HASH_BYTES,
  EVENT_KEY_BYTES,
  HEADER,
  isDeadLetterReason,
  recordSizeFault,
  type DeadLetterReason,
  type EventKey,
} from '@weir/contracts'
import type { InputRecord } from '@weir/kafka'
import { deadLetter, ok, type Outcome } from '@weir/runtime'

/** The parts of a webhook that dedup needs. The record itself is passed on byte by byte. */
export interface KeyedWebhook {
  readonly entityKey: Buffer
  readonly eventKey: EventKey
  readonly bodyHash: Buffer
  /** Set when the event key comes from an unsigned header. */
  readonly contentKey: EventKey | undefined
  /** The fault that ingress found in the body. */
  readonly intakeError: { readonly reason: DeadLetterReason; readonly detail: string } | undefined
}

const REQUIRED = [
  HEADER.source,
  HEADER.dedupKey,
  HEADER.eventType,
  HEADER.interactionId,
  HEADER.receivedAt,
] as const

const invalid = (error: string) => deadLetter('record_invalid', error)

/**
 * The first step. Requires what `decodeReceivedWebhook` requires, so that nothing passes that a later service refuses,
 * but does not decode every header. A record that does not have Weir's form becomes a dead letter.
 */
export const readKeys = (record: InputRecord): Outcome<KeyedWebhook> => {
  const { key, value, headers } = record
  if (key === null || key.length === 0 || value === null)
    return invalid('a webhook record needs a key and a value')
  // Only another producer can write such a record, by compressing it, because ingress accepts no body of this size.
  const sizeFault = recordSizeFault(record)
  if (sizeFault !== undefined) return invalid(sizeFault)
  const eventKey = headers[HEADER.eventKey]
  const bodyHash = headers[HEADER.bodyHash]
  if (eventKey?.length !== EVENT_KEY_BYTES) {
    return invalid(`header ${HEADER.eventKey} is ${eventKey ? `not ${EVENT_KEY_BYTES} bytes` : 'missing'}`)
  }
  if (bodyHash?.length !== BODY_HASH_BYTES) {
    return invalid(`header ${HEADER.bodyHash} is ${bodyHash ? `not ${BODY_HASH_BYTES} bytes` : 'missing'}`)
  }
  const content = headers[HEADER.contentKey]
  if (content !== undefined && content.length !== EVENT_KEY_BYTES)
    return invalid(`header ${HEADER.contentKey} is not ${EVENT_KEY_BYTES} bytes`)
  const contentKey = content && asEventKey(content)
  for (const name of REQUIRED) if (headers[name] === undefined) return invalid(`header ${name} is missing`)
  const reason = headers[HEADER.intakeError]?.toString()
  if (reason === undefined)
    return ok({
      entityKey: key,
      eventKey: asEventKey(eventKey),
      bodyHash,
      contentKey,
      intakeError: undefined,
    })
  if (!isDeadLetterReason(reason)) return invalid(`header ${HEADER.intakeError} is not a known reason`)
  const detail = headers[HEADER.intakeErrorDetail]?.toString() ?? ''
  const intakeError = { reason, detail }
  return ok({ entityKey: key, eventKey: asEventKey(eventKey), bodyHash, contentKey, intakeError })
}
