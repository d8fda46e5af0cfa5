import { DEAD_LETTER_REASONS } from '@weir/contracts'
import { NO_LETTERS, type EventFacts, type StoredEvent } from './event-facts.ts'

/**
 * Where an event is. `accepted`: the brokers have it, and dedup has not decided about it. `unique`: dedup passed it on,
 * and it is on its way to the database. `duplicate`: only repeats were read, and dedup dropped them. `conflict`: its
 * key belongs to a different body. `dead-lettered`: a person must decide. `stored`: the database has its row.
 */
export type EventStatus = 'accepted' | 'unique' | 'duplicate' | 'conflict' | 'dead-lettered' | 'stored'

export interface EventReport {
  readonly eventKey: string
  readonly status: EventStatus
  readonly source: string
  readonly eventType: string
  /** ISO 8601; null: unknown, or not yet. */
  readonly times: {
    readonly firstReceivedAt: string | null
    readonly lastReceivedAt: string | null
    readonly passedDedupAt: string | null
    readonly storedAt: string | null
  }
  readonly counts: {
    readonly received: number
    /** null: dedup has not decided about every delivery. */
    readonly duplicates: number | null
    readonly conflicts: number
    readonly deadLetters: number
  }
  readonly deadLetters: readonly {
    readonly stage: string
    readonly reason: string
    readonly advice: string
    readonly at: string
    readonly partition: number
    readonly offset: string
  }[]
}

/** The two topics are read independently, so a recent decision of dedup may not have been read yet. */
const SETTLE_MS = 5_000

const isSettled = ({ isDecided, lastReceivedAt }: EventFacts, now: number): boolean =>
  isDecided && now - lastReceivedAt > SETTLE_MS

export const statusOf = (
  facts: EventFacts | undefined,
  stored: StoredEvent | undefined,
  now: number,
): EventStatus | undefined => {
  if (stored !== undefined) return 'stored'
  if (facts === undefined) return undefined
  if (facts.letters.count > facts.letters.conflicts) return 'dead-lettered'
  if (facts.passedAt !== undefined) return 'unique'
  if (facts.letters.conflicts > 0) return 'conflict'
  return isSettled(facts, now) ? 'duplicate' : 'accepted'
}

/** Number of deliveries that were neither the first of the key nor a dead letter of dedup; null: not decided yet. */
const duplicatesOf = (facts: EventFacts, now: number): number | null => {
  const others = facts.received - (facts.passedAt === undefined ? 0 : 1) - facts.letters.ofDedup
  if (others <= 0) return 0
  return isSettled(facts, now) ? others : null
}

const iso = (epochMs: number | undefined): string | null =>
  epochMs === undefined || epochMs === 0 ? null : new Date(epochMs).toISOString()

const factsOf = ({ source, eventType }: StoredEvent): EventFacts => ({
  source,
  eventType,
  received: 0,
  firstReceivedAt: 0,
  lastReceivedAt: 0,
  isDecided: true,
  letters: NO_LETTERS,
})

/** Returns undefined if nothing is known about the key. */
export const reportOf = (
  eventKey: string,
  known: EventFacts | undefined,
  stored: StoredEvent | undefined,
  now: number,
): EventReport | undefined => {
  const status = statusOf(known, stored, now)
  if (status === undefined) return undefined
  const facts = known ?? factsOf(stored!)
  return {
    eventKey,
    status,
    source: stored?.source ?? facts.source,
    eventType: stored?.eventType ?? facts.eventType,
    times: {
      firstReceivedAt: iso(stored?.receivedAt ?? facts.firstReceivedAt),
      lastReceivedAt: iso(facts.lastReceivedAt || stored?.receivedAt),
      passedDedupAt: iso(facts.passedAt),
      storedAt: iso(stored?.storedAt),
    },
    counts: {
      received: facts.received,
      duplicates: duplicatesOf(facts, now),
      conflicts: facts.letters.conflicts,
      deadLetters: facts.letters.count,
    },
    deadLetters: facts.letters.latest.map(({ stage, reason, at, partition, offset }) => ({
      stage,
      reason,
      partition,
      offset: String(offset),
      at: iso(at)!,
      advice: reason === 'unknown' ? 'This version does not know the reason.' : DEAD_LETTER_REASONS[reason],
    })),
  }
}
