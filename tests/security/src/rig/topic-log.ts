import { setTimeout as sleep } from 'node:timers/promises'
import { topicNames, type TopicRole } from '@weir/contracts'
import {
  openTopicReader,
  RetriableError,
  type InputRecord,
  type KafkaSettings,
  type TopicReader,
} from '@weir/kafka'

const LOOK_MS = 50

/** What is on the topics, read as any consumer reads them. */
export class TopicLog {
  readonly #settings: KafkaSettings
  readonly #readers = new Map<TopicRole, TopicReader>()
  readonly #next = new Map<TopicRole, ReadonlyMap<number, bigint>>()
  readonly #records = new Map<TopicRole, InputRecord[]>()

  constructor(settings: KafkaSettings) {
    this.#settings = settings
  }

  /** Every record up to now, in the order of its partition. */
  async records(role: TopicRole): Promise<readonly InputRecord[]> {
    const known = this.#records.get(role) ?? []
    this.#records.set(role, known)
    const reader = await this.#reader(role)
    const next = await reader.readToEnd((records) => {
      for (const record of records) known.push(copyOf(record))
    }, this.#next.get(role))
    this.#next.set(role, next)
    return known
  }

  /** Looks until `isDone` says so, at most `waitMs`; the last look either way. */
  async until(
    role: TopicRole,
    isDone: (records: readonly InputRecord[]) => boolean,
    waitMs = 30_000,
  ): Promise<readonly InputRecord[]> {
    const deadline = performance.now() + waitMs
    for (;;) {
      const isLast = performance.now() > deadline
      const records = await this.records(role).catch((error: unknown) => {
        // A broker that was stopped for a while leads nothing for a moment.
        if (isLast || !(error instanceof RetriableError)) throw error
        return undefined
      })
      if (records !== undefined && (isLast || isDone(records))) return records
      await sleep(LOOK_MS)
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#readers.values()].map((reader) => reader.close()))
  }

  async #reader(role: TopicRole): Promise<TopicReader> {
    const existing = this.#readers.get(role)
    if (existing !== undefined) return existing
    const reader = await openTopicReader(this.#settings, topicNames(this.#settings.topicPrefix)[role])
    this.#readers.set(role, reader)
    return reader
  }
}

/** Its bytes are views of a whole response. */
const copyOf = (record: InputRecord): InputRecord => ({
  ...record,
  value: record.value && Buffer.from(record.value),
  headers: Object.fromEntries(
    Object.entries(record.headers).map(([name, value]) => [name, Buffer.from(value)]),
  ),
})
