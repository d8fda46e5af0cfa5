import type { WireRecord } from '@weir/contracts'
import type { KafkaLogger, KafkaSettings } from './settings.ts'

/** Why a record was not acknowledged. `full`: the queue's bound; `deadline`: no result in time; `broker`: refused; `too_large`: over the topic's limit; `closed`. After any but `full`, `too_large` and `closed` it may still be on the topic. */
export type LaneErrorKind = 'full' | 'deadline' | 'broker' | 'too_large' | 'closed'

export class LaneError extends Error {
  override readonly name = 'LaneError'
  readonly kind: LaneErrorKind

  constructor(kind: LaneErrorKind, message: string) {
    super(message)
    this.kind = kind
  }
}

export interface LanesOptions {
  readonly settings: KafkaSettings
  readonly logger: KafkaLogger
  readonly topic: string
  /** How long a lane waits for more records before it sends, ms. */
  readonly lingerMs: number
  /** Most records of one send. */
  readonly batchRecordsMax: number
  /** Most bytes of one send. */
  readonly batchBytesMax: number
  /** Most bytes that wait or fly in all lanes together; beyond it `send` rejects with `full`. */
  readonly queueBytesMax: number
  /** A record without the broker's result after so long is rejected with `deadline`, ms. */
  readonly deadlineMs: number
}

/**
 * One lane per partition of one topic, each with one outstanding acks=all send for its one partition.
 * Not idempotent on purpose: a retry may write twice and dedup removes it, so no send can be lost to
 * reused sequence numbers.
 */
export interface Lanes {
  readonly partitions: number
  /** Resolves only when the broker's result for this topic and partition has error code 0; else rejects with a `LaneError`. */
  send(partition: number, record: WireRecord): Promise<void>
  /** Records and bytes that wait or fly. */
  readonly queued: { readonly records: number; readonly bytes: number }
  /** False while the last sends failed or no broker is connected; for readiness. */
  readonly healthy: boolean
  /** Sends what is queued, then disconnects. */
  close(): Promise<void>
}

export declare const openLanes: (options: LanesOptions) => Promise<Lanes>
