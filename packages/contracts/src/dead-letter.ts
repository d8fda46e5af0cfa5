import { openBody, sealBody, type DeadLetterKeys } from './dead-letter-cipher.ts'
import type { DeadLetterReason } from './reasons.ts'
import { HEADER, type WireHeaders, type WireRecord } from './wire.ts'

export type DeadLetterStatus = 'pending_inspection' | 'replayed' | 'discarded'

export type DeadLetterStage = 'dedup' | 'normalizer' | 'persistence'

/** Names one letter for ever, as `normalizer/3/1041`. */
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
  /** A text for a person; must not quote the body. */
  readonly error: string
  /** Epoch ms. */
  readonly failedAt: number
  /** Further headers, such as `conflicts-with`. */
  readonly headers?: WireHeaders
}

/**
 * The value stays the raw bytes, the original headers stay, and the `dlq-*` headers say what happened.
 * With keys the value is sealed, and the header `dlq-key-id` says with which.
 */
export const encodeDeadLetter = (
  { origin, reason, step, error, failedAt, headers }: DeadLetter,
  keys?: DeadLetterKeys,
): WireRecord => {
  const now = Buffer.from(String(failedAt))
  const body = origin.value ?? Buffer.alloc(0)
  return {
    key: origin.key ?? Buffer.from('unknown|'),
    value: keys === undefined ? body : sealBody(keys, body),
    headers: {
      ...origin.headers,
      [HEADER.dlqReason]: Buffer.from(reason),
      [HEADER.dlqStep]: Buffer.from(step),
      [HEADER.dlqError]: Buffer.from(error.slice(0, 500)),
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
