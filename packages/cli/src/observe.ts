import { createHash } from 'node:crypto'
import { decodeDedupStats, HEADER, topicNames, type TopicNames, type TopicRole } from '@weir/contracts'
import { EventReader } from '@weir/event-codec'
import { openTopicReader, type InputRecord, type KafkaSettings, type TopicReader } from '@weir/kafka'
import type { Observed, ObservedLetter, SourceCounts } from '@weir/truth'
import pg from 'pg'

export interface Totals {
  /** Records on the topic of received webhooks. */
  readonly onTopic: number
  readonly received: number
  readonly unique: number
  readonly duplicates: number
  readonly conflicts: number
  /** By dedup. */
  readonly deadLettered: number
  /** Dead letters of normalizer and persistence. */
  readonly downstreamLetters: number
  readonly rows: number
}

export interface Latency {
  readonly p50: number
  readonly p99: number
}

type Counts = Omit<SourceCounts, 'onTopic'>

const LETTER_STAGES = [
  ['dedup', 'dedupDlq'],
  ['normalizer', 'normalizerDlq'],
  ['persistence', 'persistenceDlq'],
] as const satisfies readonly (readonly [ObservedLetter['stage'], TopicRole])[]

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

/** Looks at what the pipeline has left: topics read as any consumer reads them, and the database. Keeps its place between looks. */
export class Observer {
  readonly #topics: TopicNames
  readonly #settings: KafkaSettings
  readonly #pool: pg.Pool
  readonly #events: EventReader
  readonly #readers = new Map<TopicRole, TopicReader>()
  readonly #next = new Map<TopicRole, ReadonlyMap<number, bigint>>()
  readonly #counts = new Map<string, Counts>()
  #downstreamLetters = 0

  constructor(settings: KafkaSettings, databaseUrl: string, registryUrl: string) {
    this.#settings = settings
    this.#topics = topicNames(settings.topicPrefix)
    this.#events = new EventReader({ registryUrl })
    this.#pool = new pg.Pool({ connectionString: databaseUrl, max: 2, application_name: 'weir-cli' })
    this.#pool.on('error', () => undefined)
  }

  /** Sums up to now; reads only what has come since the last call. */
  async totals(): Promise<Totals> {
    await this.#readNew('stats', (record) => this.#addStats(record))
    for (const role of ['normalizerDlq', 'persistenceDlq'] as const) {
      await this.#readNew(role, () => {
        this.#downstreamLetters += 1
      })
    }
    const offsets = await (await this.#reader('received')).offsets()
    const sum = (name: keyof Counts): number =>
      [...this.#counts.values()].reduce((total, counts) => total + counts[name], 0)
    return {
      // Nothing but single records is written to this topic, so its offsets count them.
      onTopic: Number([...offsets.values()].reduce((total, { end }) => total + end, 0n)),
      ...{ received: sum('received'), unique: sum('unique'), duplicates: sum('duplicates') },
      ...{ conflicts: sum('conflicts'), deadLettered: sum('deadLettered') },
      downstreamLetters: this.#downstreamLetters,
      rows: await this.#rowCount(),
    }
  }

  /** Everything that an audit compares with the truth. */
  async everything(): Promise<Observed> {
    await this.totals()
    const onTopic = new Map<string, number>()
    await this.#readAll('received', ({ headers }) => {
      const source = headers[HEADER.source]?.toString() ?? 'unknown'
      onTopic.set(source, (onTopic.get(source) ?? 0) + 1)
    })
    const letters: ObservedLetter[] = []
    for (const [stage, role] of LETTER_STAGES) {
      const records: InputRecord[] = []
      await this.#readAll(role, (record) => records.push(record))
      for (const record of records) letters.push(await this.#letter(stage, record))
    }
    const { rows } = await this.#pool.query<{ source: string; key: string; hash: string }>(
      `SELECT source, encode(event_key, 'hex') AS key, encode(sha256(raw), 'hex') AS hash FROM events`,
    )
    const none = { received: 0, unique: 0, duplicates: 0, conflicts: 0, deadLettered: 0 }
    const sources = new Set([...onTopic.keys(), ...this.#counts.keys()])
    return {
      letters,
      rows: rows.map(({ source, key, hash }) => ({ source, eventKey: key, rawHash: hash })),
      counts: new Map(
        [...sources].map((source) => [
          source,
          { ...none, ...this.#counts.get(source), onTopic: onTopic.get(source) ?? 0 },
        ]),
      ),
    }
  }

  /** From the receipt at ingress to the row, ms, of rows received since a moment; undefined without any. */
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
    const { source, received, unique, duplicates, conflicts, deadLettered } = decodeDedupStats(value!)
    const sums = this.#counts.get(source) ?? {
      received: 0,
      unique: 0,
      duplicates: 0,
      conflicts: 0,
      deadLettered: 0,
    }
    this.#counts.set(source, {
      received: sums.received + received,
      unique: sums.unique + unique,
      duplicates: sums.duplicates + duplicates,
      conflicts: sums.conflicts + conflicts,
      deadLettered: sums.deadLettered + deadLettered,
    })
  }

  async #letter(stage: ObservedLetter['stage'], { headers, value }: InputRecord): Promise<ObservedLetter> {
    const text = (name: string): string => headers[name]?.toString() ?? ''
    // A letter of persistence holds the encoded event, and that holds the body.
    const raw =
      stage === 'persistence' ? await this.#events.decode(value!).then((event) => event.raw) : value!
    return {
      stage,
      source: text(HEADER.source),
      eventKey: headers[HEADER.eventKey]?.toString('hex') ?? '',
      rawHash: sha256(raw),
      reason: text(HEADER.dlqReason),
    }
  }

  async #rowCount(): Promise<number> {
    try {
      const { rows } = await this.#pool.query<{ count: string }>('SELECT count(*) AS count FROM events')
      return Number(rows[0]!.count)
    } catch (error) {
      // The table comes with the first start of persistence.
      if ((error as { code?: string }).code === '42P01') return 0
      throw error
    }
  }

  async #readNew(role: TopicRole, onRecord: (record: InputRecord) => void): Promise<void> {
    const reader = await this.#reader(role)
    const next = await reader.readToEnd((records) => {
      for (const record of records) onRecord(record)
    }, this.#next.get(role))
    this.#next.set(role, next)
  }

  async #readAll(role: TopicRole, onRecord: (record: InputRecord) => void): Promise<void> {
    await (
      await this.#reader(role)
    ).readToEnd((records) => {
      for (const record of records) onRecord(record)
    })
  }

  async #reader(role: TopicRole): Promise<TopicReader> {
    const existing = this.#readers.get(role)
    if (existing !== undefined) return existing
    const reader = await openTopicReader(this.#settings, this.#topics[role])
    this.#readers.set(role, reader)
    return reader
  }
}
