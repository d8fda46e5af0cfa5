import type { DeadLetterReason } from './reasons.ts'
import { HEADER, type WireHeaders, type WireRecord } from './wire.ts'

export type DeadLetterStatus = 'pending_inspection' | 'replayed' | 'discarded'

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

/** The value stays the raw bytes, the original headers stay, and the `dlq-*` headers say what happened. */
export const encodeDeadLetter = ({
  origin,
  reason,
  step,
  error,
  failedAt,
  headers,
}: DeadLetter): WireRecord => {
  const now = Buffer.from(String(failedAt))
  return {
    key: origin.key ?? Buffer.from('unknown|'),
    value: origin.value ?? Buffer.alloc(0),
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
      ...headers,
    },
  }
}
