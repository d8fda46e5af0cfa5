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
  /** The latest letters, oldest first. */
  readonly latest: readonly LetterFact[]
  readonly count: number
  /** The part of `count` with the reason `key_conflict`: deliveries of a different body. */
  readonly conflicts: number
  /** The part of `count` that dedup wrote, one for each delivery. */
  readonly ofDedup: number
}

export const NO_LETTERS: Letters = { latest: [], count: 0, conflicts: 0, ofDedup: 0 }

/** What the topics hold about one event key. Counts cover the records that the index has read. */
export interface EventFacts {
  readonly source: string
  readonly eventType: string
  readonly received: number
  /** Epoch ms on the brokers' clock; 0: no delivery was read. */
  readonly firstReceivedAt: number
  readonly lastReceivedAt: number
  /** Whether every delivery that was read lies before the position of dedup. */
  readonly isDecided: boolean
  /** When dedup passed the event on as the first of its key, epoch ms. */
  readonly passedAt?: number
  readonly letters: Letters
}

/** The stored row of an event. Times are epoch ms. */
export interface StoredEvent {
  readonly source: string
  readonly eventType: string
  readonly receivedAt: number
  readonly storedAt: number
}
