import type { WireHeaders, WireRecord } from '@weir/contracts'

/** A record read with read_committed isolation: never from an aborted transaction, and never a control marker. */
export interface InputRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  /** Milliseconds since the epoch, from the broker's clock on topics with LogAppendTime. */
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: WireHeaders
}

/** A record to write, with its topic and partition. */
export interface OutputRecord extends WireRecord {
  readonly topic: string
  readonly partition: number
}
