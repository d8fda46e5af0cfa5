import {
  asEventKey,
  BODY_HASH_BYTES,
  EVENT_KEY_BYTES,
  HEADER,
  isDeadLetterReason,
  type DeadLetterReason,
  type EventKey,
  type WireHeaders,
} from '@weir/contracts'
import type { InputRecord } from '@weir/kafka'
import { deadLetter, ok, type Outcome } from '@weir/runtime'

/** A webhook as far as dedup has to know it: what it passes on are the record's own bytes. */
export interface KeyedWebhook {
  readonly entityKey: Buffer
  readonly eventKey: EventKey
  readonly bodyHash: Buffer
  /** Set when the event key comes from an unsigned header. */
  readonly contentKey: EventKey | undefined
  /** What ingress found wrong with the body. */
  readonly intakeError: { readonly reason: DeadLetterReason; readonly detail: string } | undefined
}

const REQUIRED = [
  HEADER.source,
  HEADER.dedupKey,
  HEADER.eventType,
  HEADER.interactionId,
  HEADER.receivedAt,
] as const

/** What the next topic surely takes. A record that is larger came compressed from something else than Weir: no body of ingress' is. */
const RECORD_BYTES_MAX = 1_000_000
const HEADER_OVERHEAD_BYTES = 8

const invalid = (error: string) => deadLetter('record_invalid', error)

/**
 * The first step. Asks for what `decodeReceivedWebhook` asks for, so that nothing passes that a later stage refuses,
 * without making a text of every header: what Weir did not write is a dead letter.
 */
export const readKeys = ({ key, value, headers }: InputRecord): Outcome<KeyedWebhook> => {
  if (key === null || key.length === 0 || value === null)
    return invalid('a webhook record needs a key and a value')
  if (isTooLarge(key, value, headers)) return invalid(`larger than ${RECORD_BYTES_MAX} bytes`)
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

const isTooLarge = (key: Buffer, value: Buffer, headers: WireHeaders): boolean => {
  let bytes = key.length + value.length
  for (const name in headers) bytes += name.length + headers[name]!.length + HEADER_OVERHEAD_BYTES
  return bytes > RECORD_BYTES_MAX
}
