import { openBody, sealBody, type DeadLetterKeys } from './dead-letter-cipher.ts'
import type { DeadLetterStage } from '../registry/dead-letter-stages.ts'
import type { DeadLetterReason } from '../registry/reasons.ts'
import { headerBytesOf, RECORD_BYTES_MAX, recordBytesOf } from './record-size.ts'
import { HEADER, type WireHeaders, type WireRecord } from './wire.ts'

export type DeadLetterStatus = 'pending_inspection' | 'replayed' | 'discarded'

/** The permanent name of a letter: stage, partition and offset, such as `normalizer/3/1041`. */
export const letterPlace = (letter: {
  readonly stage: DeadLetterStage
  readonly partition: number
  readonly offset: bigint
}): string => `${letter.stage}/${letter.partition}/${letter.offset}`

export interface DeadLetterOrigin {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: WireHeaders
}

export interface DeadLetter {
  readonly origin: DeadLetterOrigin
  readonly reason: DeadLetterReason
  /** The step that gave up. */
  readonly step: string
  /** Explains the failure to a person. Must not quote the body. */
  readonly error: string
  /** Epoch ms. */
  readonly failedAt: number
  /** Further headers, such as `conflicts-with`. */
  readonly headers?: WireHeaders
}

const HEADERS_BYTES_MAX = 64_000
const KEY_BYTES_MAX = 4_000
const ERROR_LENGTH_MAX = 500

/**
 * What a letter can hold of a record, whatever it was: a letter that no topic takes would stop the partition for good.
 * The whole record can still be read where `dlq-source-*` says, while that topic keeps it.
 */
const bounded = (origin: DeadLetterOrigin): DeadLetterOrigin => {
  const { key, value, headers } = origin
  const headerBytes = headerBytesOf(headers)
  if (
    recordBytesOf(origin) <= RECORD_BYTES_MAX &&
    headerBytes <= HEADERS_BYTES_MAX &&
    (key?.length ?? 0) <= KEY_BYTES_MAX
  ) {
    return origin
  }
  const keptHeaders = headerBytes <= HEADERS_BYTES_MAX ? headers : {}
  return {
    ...origin,
    key: key?.subarray(0, KEY_BYTES_MAX) ?? null,
    value: value?.subarray(0, RECORD_BYTES_MAX - KEY_BYTES_MAX - HEADERS_BYTES_MAX) ?? null,
    headers: { ...keptHeaders, [HEADER.dlqTruncated]: Buffer.from(String(value?.length ?? 0)) },
  }
}

/**
 * The value stays the raw bytes, the original headers stay, and the `dlq-*` headers say what happened.
 * With keys the value is sealed, and the header `dlq-key-id` says with which.
 */
export const encodeDeadLetter = (
  { origin: whole, reason, step, error, failedAt, headers }: DeadLetter,
  keys?: DeadLetterKeys,
): WireRecord => {
  const origin = bounded(whole)
  const now = Buffer.from(String(failedAt))
  const body = origin.value ?? Buffer.alloc(0)
  return {
    key: origin.key ?? Buffer.from('unknown|'),
    value: keys === undefined ? body : sealBody(keys, body),
    headers: {
      ...origin.headers,
      [HEADER.dlqReason]: Buffer.from(reason),
      [HEADER.dlqStep]: Buffer.from(step),
      [HEADER.dlqError]: Buffer.from(error.slice(0, ERROR_LENGTH_MAX)),
      [HEADER.dlqStatus]: Buffer.from('pending_inspection' satisfies DeadLetterStatus),
      [HEADER.dlqSourceTopic]: Buffer.from(origin.topic),
      [HEADER.dlqSourcePartition]: Buffer.from(String(origin.partition)),
      [HEADER.dlqSourceOffset]: Buffer.from(String(origin.offset)),
      [HEADER.firstFailedAt]: origin.headers[HEADER.firstFailedAt] ?? now,
      [HEADER.lastFailedAt]: now,
      [HEADER.replayCount]: origin.headers[HEADER.replayCount] ?? Buffer.from('0'),
      ...(keys !== undefined && { [HEADER.dlqKeyId]: Buffer.from(keys.current.id) }),
      ...headers,
    },
  }
}

/** The raw bytes of a letter. Throws a `SealedLetterError` when they are sealed and cannot be opened. */
export const deadLetterBody = (
  letter: { readonly value: Buffer | null; readonly headers: WireHeaders },
  keys?: DeadLetterKeys,
): Buffer => {
  const value = letter.value ?? Buffer.alloc(0)
  const keyId = letter.headers[HEADER.dlqKeyId]?.toString()
  return keyId === undefined ? value : openBody(keys, keyId, value)
}
