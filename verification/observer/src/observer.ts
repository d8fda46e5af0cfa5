import { setTimeout as sleep } from 'node:timers/promises'
import {
  DEAD_LETTER_STAGE_NAMES,
  DEAD_LETTER_STAGES,
  decodeDedupStats,
  LATER_STAGES,
  topicNames,
  type DeadLetterKeys,
  type TopicNames,
  type TopicRole,
} from '@weir/contracts'
import { EventReader } from '@weir/event-codec'
import {
  openTopicReader,
  RetriableError,
  type InputRecord,
  type KafkaSettings,
  type TopicReader,
} from '@weir/kafka'
import type { Observed, SourceCounts } from '@weir/truth'
import pg from 'pg'
import { DeadLetterReader, replayedLetter } from './dead-letters.ts'

export interface Totals {
  /** Records on the topic of received webhooks. */
  readonly onTopic: number
  /** Records on the topic of what replays bring back to dedup. */
  readonly toDedup: number
  readonly received: number
  /** Of `toDedup`, those that dedup has decided about. */
  readonly returned: number
  readonly unique: number
  readonly duplicates: number
  readonly conflicts: number
  /** By dedup. */
  readonly deadLettered: number
  /** Of `received` and of `duplicates`: not valid events. */
  readonly malformed: number
  readonly malformedRepeats: number
  /** Dead letters of normalizer and persistence that did not return to one of the two. */
  readonly downstreamLetters: number
  readonly rows: number
}

/** Milliseconds. */
export interface Latency {
  readonly p50: number
  readonly p99: number
}

export interface ObserverOptions {
  readonly settings: KafkaSettings
  readonly databaseUrl: string
  /** Base URL of the Confluent-compatible API. */
  readonly registryUrl: string
  /** Of dead letters that are sealed. */
  readonly keys?: DeadLetterKeys | undefined
}

const UNDEFINED_TABLE = '42P01'
const RECOVER_MS_MAX = 15_000
const RETRY_MS = 100

const sumOf = (values: Iterable<number>): number => [...values].reduce((total, value) => total + value, 0)

/** The leader of a new or a moved partition is not at work at once. */
const whileKafkaRecovers = async <T>(read: () => Promise<T>): Promise<T> => {
  const deadline = performance.now() + RECOVER_MS_MAX
  for (;;) {
    try {
      return await read()
    } catch (error) {
      if (!(error instanceof RetriableError) || performance.now() > deadline) throw error
      await sleep(RETRY_MS)
    }
  }
}

/**
 * Looks at what the pipeline has left: topics read as any consumer reads them, and the database. Keeps its place
 * between looks.
 */
export class Observer {
  readonly #options: ObserverOptions
  readonly #topics: TopicNames
  readonly #pool: pg.Pool
  readonly #deadLetters: DeadLetterReader
  readonly #readers = new Map<TopicRole, TopicReader>()
  readonly #next = new Map<TopicRole, Map<number, bigint>>()
  readonly #malformed = { malformed: 0, malformedRepeats: 0 }
  readonly #counts = new Map<string, SourceCounts>()
  #strangeRows: ReadonlyMap<string, number> = new Map()
  #downstreamLetters = 0
  /** Letters of normalizer and persistence that returned to one of the two. */
  readonly #superseded = new Set<string>()
  #toDedup = 0

  constructor(options: ObserverOptions) {
    const { settings, databaseUrl, registryUrl, keys } = options
    this.#options = options
    this.#topics = topicNames(settings.topicPrefix)
    this.#deadLetters = new DeadLetterReader(new EventReader({ registryUrl }), keys)
    this.#pool = new pg.Pool({ connectionString: databaseUrl, max: 2, application_name: 'weir-observer' })
    this.#pool.on('error', () => undefined)
  }

  /** Takes rows of each source off the counts: those that others have left in the database. */
  leaveOut(strangeRows: ReadonlyMap<string, number>): void {
    this.#strangeRows = strangeRows
  }

  /** Sums up to now; reads only what has come since the last call. Rejects while Kafka or the database is away. */
  async totals(): Promise<Totals> {
    await this.#readNew('dedupReplay', () => {
      this.#toDedup += 1
    })
    await this.#readNew('stats', (record) => this.#addStats(record))
    for (const stage of LATER_STAGES) {
      const { letters, replay } = DEAD_LETTER_STAGES[stage]
      await this.#readNew(replay, (record) => void this.#superseded.add(replayedLetter(record)))
      await this.#readNew(letters, () => {
        this.#downstreamLetters += 1
      })
    }
    const sum = (name: keyof SourceCounts): number =>
      sumOf([...this.#counts.values()].map((counts) => counts[name]))
    return {
      onTopic: await this.onTopic(),
      toDedup: this.#toDedup,
      received: sum('received'),
      returned: sum('returned'),
      unique: sum('unique'),
      duplicates: sum('duplicates'),
      conflicts: sum('conflicts'),
      deadLettered: sum('deadLettered'),
      ...this.#malformed,
      downstreamLetters: this.#downstreamLetters - this.#superseded.size,
      rows: sumOf((await this.rowCounts()).values()) - sumOf(this.#strangeRows.values()),
    }
  }

  /** Everything that an audit compares with the truth. */
  async everything(): Promise<Observed> {
    const { onTopic } = await this.totals()
    const returns = await Promise.all(
      DEAD_LETTER_STAGE_NAMES.map((stage) =>
        this.#readAll(DEAD_LETTER_STAGES[stage].replay, (record) =>
          this.#deadLetters.returned(stage, record),
        ),
      ),
    )
    const letters = await Promise.all(
      DEAD_LETTER_STAGE_NAMES.map((stage) =>
        this.#readAll(DEAD_LETTER_STAGES[stage].letters, (record) => this.#deadLetters.letter(stage, record)),
      ),
    )
    const { rows } = await this.#pool.query<{ source: string; key: string; hash: string }>(
      `SELECT source, encode(event_key, 'hex') AS key, encode(sha256(raw), 'hex') AS hash FROM events`,
    )
    return {
      onTopic,
      letters: letters.flat(),
      returns: returns.flat(),
      counts: this.#counts,
      strangeRows: this.#strangeRows,
      deletedRows: await this.#deletedRows(),
      rows: rows.map(({ source, key, hash }) => ({ source, eventKey: key, rawHash: hash })),
    }
  }

  /** Records on the topic of received webhooks, those that retention has deleted included. */
  async onTopic(): Promise<number> {
    const offsets = await whileKafkaRecovers(async () => (await this.#reader('received')).offsets())
    // Nothing but single records is written to this topic, so its offsets count them.
    return Number([...offsets.values()].reduce((total, { end }) => total + end, 0n))
  }

  /** Rows of each source, whoever has written them; those that retention has deleted included. */
  async rowCounts(): Promise<ReadonlyMap<string, number>> {
    const counts = await this.#countBySource(
      'SELECT source, count(*)::float8 AS count FROM events GROUP BY source',
    )
    for (const [source, count] of await this.#deletedRows())
      counts.set(source, count + (counts.get(source) ?? 0))
    return counts
  }

  /** By the receipts of retention runs. A database that has not been migrated has none. */
  async #deletedRows(): Promise<ReadonlyMap<string, number>> {
    return this.#countBySource(
      'SELECT source, sum(events)::float8 AS count FROM weir_retention_receipts GROUP BY source',
    )
  }

  /** Empty without the table: each comes with the start of the first version of persistence that has it. */
  async #countBySource(sql: string): Promise<Map<string, number>> {
    try {
      const { rows } = await this.#pool.query<{ source: string; count: number }>(sql)
      return new Map(rows.map(({ source, count }) => [source, count]))
    } catch (error) {
      if ((error as { code?: string }).code === UNDEFINED_TABLE) return new Map()
      throw error
    }
  }

  /** From the receipt at ingress to the row, of rows received since a moment; undefined without any. */
  async latency(since: Date): Promise<Latency | undefined> {
    const { rows } = await this.#pool.query<{ p50: number | null; p99: number | null }>(
      `SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) AS p50, percentile_cont(0.99) WITHIN GROUP (ORDER BY ms) AS p99
       FROM (SELECT extract(epoch FROM stored_at - received_at)::float8 * 1000 AS ms FROM events WHERE received_at >= $1) AS t`,
      [since],
    )
    const { p50, p99 } = rows[0]!
    return p50 === null || p99 === null ? undefined : { p50: Math.round(p50), p99: Math.round(p99) }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#readers.values()].map((reader) => reader.close()))
    await this.#pool.end()
  }

  #addStats({ value }: InputRecord): void {
    const { source, ...added } = decodeDedupStats(value!)
    this.#malformed.malformed += added.malformed
    this.#malformed.malformedRepeats += added.malformedRepeats
    const sums = this.#counts.get(source)
    this.#counts.set(source, {
      received: (sums?.received ?? 0) + added.received,
      returned: (sums?.returned ?? 0) + added.returned,
      unique: (sums?.unique ?? 0) + added.unique,
      duplicates: (sums?.duplicates ?? 0) + added.duplicates,
      conflicts: (sums?.conflicts ?? 0) + added.conflicts,
      deadLettered: (sums?.deadLettered ?? 0) + added.deadLettered,
    })
  }

  #readAll<T>(role: TopicRole, read: (record: InputRecord) => Promise<T>): Promise<T[]> {
    return whileKafkaRecovers(async () => {
      const all: T[] = []
      const reader = await this.#reader(role)
      await reader.readToEnd(async (records) => {
        for (const record of records) all.push(await read(record))
      })
      return all
    })
  }

  /** Notes its place with each record, so that one that was counted before an error is not counted again. */
  async #readNew(role: TopicRole, onRecord: (record: InputRecord) => void): Promise<void> {
    const next = this.#next.get(role) ?? new Map<number, bigint>()
    this.#next.set(role, next)
    const reached = await whileKafkaRecovers(async () => {
      const reader = await this.#reader(role)
      return reader.readToEnd((records) => {
        for (const record of records) {
          onRecord(record)
          next.set(record.partition, record.offset + 1n)
        }
      }, new Map(next))
    })
    for (const [partition, offset] of reached) next.set(partition, offset)
  }

  async #reader(role: TopicRole): Promise<TopicReader> {
    const existing = this.#readers.get(role)
    if (existing !== undefined) return existing
    const reader = await openTopicReader(this.#options.settings, this.#topics[role])
    this.#readers.set(role, reader)
    return reader
  }
}
