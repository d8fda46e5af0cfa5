import type { DeadLetterReason, DeadLetterStage } from '@weir/contracts'

export interface LetterFact {
  readonly stage: DeadLetterStage
  readonly reason: DeadLetterReason | 'unknown'
  /** Epoch ms on the brokers' clock. */
  readonly at: number
  readonly partition: number
  readonly offset: bigint
}

export interface Letters {
  /** The latest ones, oldest first. */
  readonly latest: readonly LetterFact[]
  readonly count: number
  /** Of `count`: with the reason `key_conflict`, the deliveries of another body. */
  readonly conflicts: number
  /** Of `count`: written by dedup, one for a delivery. */
  readonly ofDedup: number
}

export const NO_LETTERS: Letters = { latest: [], count: 0, conflicts: 0, ofDedup: 0 }

/** What the topics say of one event key; counts are of what the index has read. */
export interface EventFacts {
  readonly source: string
  readonly eventType: string
  readonly received: number
  /** Epoch ms on the brokers' clock; 0: no delivery was read. */
  readonly firstReceivedAt: number
  readonly lastReceivedAt: number
  /** Every delivery that was read lies before the position of dedup. */
  readonly isDecided: boolean
  /** Passed dedup as the first of its key; epoch ms. */
  readonly passedAt?: number
  readonly letters: Letters
}

/** The row at the end of the pipeline. Times are epoch ms. */
export interface StoredEvent {
  readonly source: string
  readonly eventType: string
  readonly receivedAt: number
  readonly storedAt: number
}
