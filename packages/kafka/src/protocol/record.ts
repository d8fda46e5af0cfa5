import type { WireHeaders, WireRecord } from '@weir/contracts'

/** A record as read from a topic: read_committed, so never one of an aborted transaction, and never a control marker. */
export interface InputRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  /** Epoch ms; the broker's clock on topics with LogAppendTime. */
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: WireHeaders
}

/** A record to write, and where to. The partition is always explicit. */
export interface OutputRecord extends WireRecord {
  readonly topic: string
  readonly partition: number
}
