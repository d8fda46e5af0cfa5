import {
  SinkFaultError,
  SinkUnavailableError,
  type RowEvent,
  type RowResult,
  type RowSink,
} from '../row-sink.ts'
import { rowEvent } from './row-event.ts'
import type { RefusedEvent, Restore, RowStore, StoredRow } from './row-store.ts'

/** Bodies beyond it are refused. */
const BODY_BYTES_MAX = 100_000

/** A store in memory, in which each request and each response is a message. */
export class MemoryRows implements RowStore {
  readonly rows: RowEvent[] = []
  readonly latest = new Map<string, RowEvent>()
  readonly #openSink: (rows: MemoryRows) => RowSink
  #isAway = false
  #refusesAll = false
  #messagesLeft = Infinity

  constructor(openSink: (rows: MemoryRows) => RowSink = (rows) => new MemorySink(rows)) {
    this.#openSink = openSink
  }

  openSink(): RowSink {
    return this.#openSink(this)
  }

  /** One request to the store. Rejects with a `SinkUnavailableError` where it or its response is lost. */
  async request<T>(act: () => T): Promise<T> {
    await this.#message()
    if (this.#refusesAll) throw new SinkFaultError('the table is missing')
    const result = act()
    await this.#message()
    return result
  }

  async #message(): Promise<void> {
    await Promise.resolve()
    this.#messagesLeft -= 1
    if (!this.#isAway && this.#messagesLeft >= 0) return
    this.#messagesLeft = Infinity
    throw new SinkUnavailableError('the store is away')
  }

  find(eventKey: string): RowEvent | undefined {
    return this.rows.find((row) => row.eventKey === eventKey)
  }

  rowOf(eventKey: string): Promise<StoredRow | undefined> {
    return Promise.resolve(this.find(eventKey))
  }

  countOf(eventKeys: readonly string[]): Promise<number> {
    return Promise.resolve(this.rows.filter((row) => eventKeys.includes(row.eventKey)).length)
  }

  latestOf(source: string, interactionId: string): Promise<string | undefined> {
    return Promise.resolve(this.latest.get(`${source}|${interactionId}`)?.eventKey)
  }

  refusedEvents(): readonly RefusedEvent[] {
    return [
      {
        because: 'a body beyond the limit',
        event: rowEvent('large', { raw: Buffer.alloc(BODY_BYTES_MAX + 1, 'x') }),
      },
      { because: 'an empty event type', event: rowEvent('untyped', { eventType: '' }) },
    ]
  }

  cutAfter(messages: number): void {
    this.#messagesLeft = messages
  }

  takeAway(): Promise<Restore> {
    this.#isAway = true
    return Promise.resolve(() => {
      this.#isAway = false
      return Promise.resolve()
    })
  }

  refuseAll(): Promise<Restore> {
    this.#refusesAll = true
    return Promise.resolve(() => {
      this.#refusesAll = false
      return Promise.resolve()
    })
  }
}

const PLACES = ['sequence', 'occurredAt', 'occurredAtNanos', 'receivedAt', 'eventKey'] as const

/** The smallest sink that keeps every rule: one row at a time, the latest state before the row. */
export class MemorySink implements RowSink {
  protected readonly rows: MemoryRows

  constructor(rows: MemoryRows) {
    this.rows = rows
  }

  async write(events: readonly RowEvent[]): Promise<readonly RowResult[]> {
    const results: RowResult[] = []
    for (const event of events) results.push(await this.writeOne(event))
    return results
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  protected async writeOne(event: RowEvent): Promise<RowResult> {
    const detail = this.refusalOf(event)
    if (detail !== undefined) return { kind: 'rejected', detail }
    return this.rows.request(() => {
      const existing = this.rows.find(event.eventKey)
      if (existing === undefined) this.insert(event)
      return existing === undefined || existing.bodyHash.equals(event.bodyHash)
        ? { kind: 'stored' }
        : { kind: 'conflict', first: existing.bodyHash.toString('hex') }
    })
  }

  protected insert(event: RowEvent): void {
    const key = `${event.source}|${event.interactionId}`
    const latest = this.rows.latest.get(key)
    if (latest === undefined || this.isNewer(event, latest)) this.rows.latest.set(key, event)
    this.rows.rows.push({ ...event })
  }

  protected refusalOf({ raw, eventType }: RowEvent): string | undefined {
    if (raw.length > BODY_BYTES_MAX) return `the body has ${raw.length} bytes and may have ${BODY_BYTES_MAX}`
    return eventType === '' ? 'the event type is empty' : undefined
  }

  protected isNewer(event: RowEvent, latest: RowEvent): boolean {
    for (const place of PLACES) {
      const [one, other] = [event[place] ?? -1, latest[place] ?? -1]
      if (place === 'occurredAtNanos' && Math.max(Number(one), 0) === Math.max(Number(other), 0)) continue
      if (one !== other) return one > other
    }
    return false
  }
}
