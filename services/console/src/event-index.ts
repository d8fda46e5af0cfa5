import { NO_LETTERS, type EventFacts, type LetterFact, type Letters } from './event-facts.ts'

export interface EventIndexOptions {
  readonly eventsMax: number
  readonly lettersMax: number
}

/** The position of a delivery on the topic of received webhooks, and facts from its headers. */
export interface Delivery {
  readonly source: string
  readonly eventType: string
  readonly partition: number
  readonly offset: bigint
  /** Epoch ms on the brokers' clock. */
  readonly at: number
}

interface Entry {
  source: string
  eventType: string
  received: number
  firstReceivedAt: number
  lastReceivedAt: number
  partition: number
  lastOffset: bigint
  passedAt: number
  /** Time of the latest record of the event that was read. */
  activeAt: number
}

interface LetterEntry {
  readonly source: string
  readonly eventType: string
  readonly letters: Letters
}

const LETTERS_EACH_MAX = 8

/**
 * Holds the latest events by key in memory. The size is bounded: a new event evicts the one that was inactive longest.
 * Dead letters have a separate bound, so that traffic does not evict them.
 */
export class EventIndex {
  readonly #options: EventIndexOptions
  /** Ordered by last activity, oldest first. */
  readonly #events = new Map<string, Entry>()
  readonly #letters = new Map<string, LetterEntry>()
  /** The next offset that dedup will decide about, by partition. */
  readonly #decided = new Map<number, bigint>()
  #eventsSince = 0
  #lettersSince = 0

  constructor(options: EventIndexOptions) {
    this.#options = options
  }

  get eventCount(): number {
    return this.#events.size
  }

  get letterCount(): number {
    return this.#letters.size
  }

  /** Every event that was active after this time is known, epoch ms; 0: every event that the topics hold. */
  get eventsSince(): number {
    return this.#eventsSince
  }

  /** As `eventsSince`, but for dead letters. */
  get lettersSince(): number {
    return this.#lettersSince
  }

  /** Records before this time were not read. */
  skippedEvents(before: number): void {
    this.#eventsSince = Math.max(this.#eventsSince, before)
  }

  skippedLetters(before: number): void {
    this.#lettersSince = Math.max(this.#lettersSince, before)
  }

  received(key: string, delivery: Delivery): void {
    const entry = this.#touch(key, delivery)
    entry.received += 1
    entry.partition = delivery.partition
    entry.lastOffset = delivery.offset
    entry.lastReceivedAt = delivery.at
    if (entry.firstReceivedAt === 0) entry.firstReceivedAt = delivery.at
  }

  /** Records that dedup passed the event on. */
  passed(key: string, delivery: Delivery): void {
    this.#touch(key, delivery).passedAt = delivery.at
  }

  letter(
    key: string,
    { source, eventType }: Pick<Delivery, 'source' | 'eventType'>,
    letter: LetterFact,
  ): void {
    const { latest, count, conflicts, ofDedup } = this.#letters.get(key)?.letters ?? NO_LETTERS
    const letters: Letters = {
      latest: [...latest, letter].slice(-LETTERS_EACH_MAX),
      count: count + 1,
      conflicts: conflicts + (letter.reason === 'key_conflict' ? 1 : 0),
      ofDedup: ofDedup + (letter.stage === 'dedup' ? 1 : 0),
    }
    this.#letters.delete(key)
    this.#letters.set(key, { source, eventType, letters })
    if (this.#letters.size <= this.#options.lettersMax) return
    const [oldest, gone] = first(this.#letters)
    this.#letters.delete(oldest)
    this.skippedLetters(gone.letters.latest.at(-1)!.at)
  }

  /** Records that dedup has decided about every record before `next` in a partition. */
  decided(partition: number, next: bigint): void {
    this.#decided.set(partition, next)
  }

  find(key: string): EventFacts | undefined {
    const entry = this.#events.get(key)
    const letters = this.#letters.get(key)
    if (entry === undefined && letters === undefined) return undefined
    const { source, eventType } = entry ?? letters!
    return {
      source,
      eventType,
      letters: letters?.letters ?? NO_LETTERS,
      received: entry?.received ?? 0,
      firstReceivedAt: entry?.firstReceivedAt ?? 0,
      lastReceivedAt: entry?.lastReceivedAt ?? 0,
      isDecided: entry === undefined || entry.lastOffset < (this.#decided.get(entry.partition) ?? 0n),
      ...(entry !== undefined && entry.passedAt > 0 && { passedAt: entry.passedAt }),
    }
  }

  #touch(key: string, { source, eventType, partition, at }: Delivery): Entry {
    const entry: Entry = this.#events.get(key) ?? {
      source,
      eventType,
      partition,
      received: 0,
      firstReceivedAt: 0,
      lastReceivedAt: 0,
      lastOffset: -1n,
      passedAt: 0,
      activeAt: 0,
    }
    entry.activeAt = Math.max(entry.activeAt, at)
    this.#events.delete(key)
    this.#events.set(key, entry)
    if (this.#events.size > this.#options.eventsMax) {
      const [oldest, gone] = first(this.#events)
      this.#events.delete(oldest)
      this.skippedEvents(gone.activeAt)
    }
    return entry
  }
}

const first = <K, V>(map: ReadonlyMap<K, V>): readonly [K, V] => map.entries().next().value!
