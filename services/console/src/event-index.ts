import { NO_LETTERS, type EventFacts, type LetterFact, type Letters } from './event-facts.ts'

export interface EventIndexOptions {
  readonly eventsMax: number
  readonly lettersMax: number
}

/** Where a delivery lies on the topic of received webhooks, and what its headers say. */
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
  /** Of anything that was read of it. */
  activeAt: number
}

interface LetterEntry {
  readonly source: string
  readonly eventType: string
  readonly letters: Letters
}

const LETTERS_EACH_MAX = 8

/**
 * The latest events by key, in memory. Bounded: the event that was quiet for longest makes room. Dead letters have
 * room of their own, so that traffic does not push them out.
 */
export class EventIndex {
  readonly #options: EventIndexOptions
  /** Quiet for longest first. */
  readonly #events = new Map<string, Entry>()
  readonly #letters = new Map<string, LetterEntry>()
  /** By partition: the next offset that dedup will decide about. */
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

  /** Every event that was active after this moment is known, epoch ms; 0: all that the topics held at the start, and since. */
  get eventsSince(): number {
    return this.#eventsSince
  }

  /** As `eventsSince`, of dead letters. */
  get lettersSince(): number {
    return this.#lettersSince
  }

  /** What lies before this moment was not read. */
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

  /** Dedup let it pass. */
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

  /** Dedup has decided about everything before `next` in a partition. */
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
