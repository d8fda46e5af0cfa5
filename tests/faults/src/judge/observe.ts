import { createHash } from 'node:crypto'
import {
  DEAD_LETTER_STAGE_NAMES,
  DEAD_LETTER_STAGES,
  decodeDedupStats,
  HEADER,
  LATER_STAGES,
  topicNames,
  type TopicRole,
} from '@weir/contracts'
import { EventReader } from '@weir/event-codec'
import { openTopicReader, type InputRecord } from '@weir/kafka'
import { readTotals } from '@weir/metric-export'
import pg from 'pg'
import { persistently } from '../persistently.ts'
import { influxSettings, kafkaSettings, type ServerUrls } from '../rig/layout.ts'
import type { End, LedgerCounts, Letter, Observed, StoredState } from './judge.ts'

const topics = topicNames()
const PAGE = 50_000

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

/** Reads what the pipeline has left: topics as any consumer reads them, the database, InfluxDB. */
export class Observer {
  readonly #urls: ServerUrls
  readonly #pool: pg.Pool
  readonly #sums = {
    received: 0,
    unique: 0,
    duplicates: 0,
    conflicts: 0,
    deadLettered: 0,
    malformed: 0,
    malformedRepeats: 0,
  }
  #statsNext: ReadonlyMap<number, bigint> | undefined

  constructor(urls: ServerUrls) {
    this.#urls = urls
    this.#pool = new pg.Pool({ connectionString: urls.database, max: 2, application_name: 'weir-faults' })
    this.#pool.on('error', () => undefined)
  }

  /** What decides whether all has come to its end. */
  async totals(): Promise<{
    readonly counts: LedgerCounts
    readonly onTopic: number
    readonly rows: number
    readonly downstreamLetters: number
    readonly influx: Observed['influx']
  }> {
    const counts = await this.#counts()
    const rows = await this.#query<{ count: string }>('SELECT count(*) AS count FROM events')
    const letters = await Promise.all(
      LATER_STAGES.map((stage) => this.#count(DEAD_LETTER_STAGES[stage].letters)),
    )
    return {
      counts,
      onTopic: await this.#onTopic(),
      rows: Number(rows[0]!.count),
      downstreamLetters: letters.reduce((sum, count) => sum + count, 0),
      influx: await this.influx(),
    }
  }

  async influx(): Promise<Observed['influx']> {
    const url = this.#urls.influx
    return url === undefined ? undefined : persistently(() => readTotals(influxSettings(url)))
  }

  /** Everything that a verdict compares with what was sent. */
  async everything(): Promise<StoredState> {
    const letters = await this.#letters()
    return {
      letters,
      rows: await this.#rows(),
      counts: await this.#counts(),
      topics: {
        received: await this.#count('received'),
        unique: await this.#keysOn('unique'),
        normalized: await this.#keysOn('normalized'),
      },
      staleInteractions: await this.#staleInteractions(),
      influx: await this.influx(),
    }
  }

  async close(): Promise<void> {
    await this.#pool.end()
  }

  #query<Row extends pg.QueryResultRow>(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
    return persistently(async () => (await this.#pool.query<Row>(sql, [...values])).rows)
  }

  /** A read that breaks goes on after the last record. */
  #read(
    role: TopicRole,
    onRecord: (record: InputRecord) => void,
    from?: ReadonlyMap<number, bigint>,
  ): Promise<ReadonlyMap<number, bigint>> {
    const next = new Map(from)
    return persistently(async () => {
      const reader = await openTopicReader(kafkaSettings(this.#urls), topics[role])
      try {
        return await reader.readToEnd((records) => {
          for (const record of records) {
            onRecord(record)
            next.set(record.partition, record.offset + 1n)
          }
        }, next)
      } finally {
        await reader.close()
      }
    })
  }

  async #count(role: TopicRole): Promise<number> {
    let count = 0
    await this.#read(role, () => {
      count += 1
    })
    return count
  }

  /** Nothing but single records is written to this topic, so its offsets count them. */
  #onTopic(): Promise<number> {
    return persistently(async () => {
      const reader = await openTopicReader(kafkaSettings(this.#urls), topics.received)
      try {
        const offsets = await reader.offsets()
        return Number([...offsets.values()].reduce((total, { end }) => total + end, 0n))
      } finally {
        await reader.close()
      }
    })
  }

  /** Reads only what has come since the last call: the topic has a record for each transaction and source. */
  async #counts(): Promise<LedgerCounts> {
    const sums = this.#sums
    this.#statsNext = await this.#read(
      'stats',
      ({ value }) => {
        const stats = decodeDedupStats(value!)
        for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += stats[name]
      },
      this.#statsNext,
    )
    return { ...sums }
  }

  async #keysOn(role: TopicRole): Promise<{ readonly records: number; readonly repeated: number }> {
    const keys = new Set<string>()
    let records = 0
    await this.#read(role, ({ headers }) => {
      records += 1
      keys.add(headers[HEADER.eventKey]!.toString('latin1'))
    })
    return { records, repeated: records - keys.size }
  }

  async #letters(): Promise<Letter[]> {
    const events = new EventReader({ registryUrl: this.#urls.registry })
    const letters: Letter[] = []
    for (const stage of DEAD_LETTER_STAGE_NAMES) {
      const { letters: role, holds } = DEAD_LETTER_STAGES[stage]
      const records: InputRecord[] = []
      await this.#read(role, (record) => records.push(record))
      for (const { headers, value } of records) {
        const raw = holds === 'event' ? (await events.decode(value!)).raw : value!
        letters.push({
          stage,
          rawHash: sha256(raw),
          reason: headers[HEADER.dlqReason]?.toString() ?? '',
          source: headers[HEADER.source]?.toString() ?? '',
          eventKey: headers[HEADER.eventKey]?.toString('hex') ?? '',
        })
      }
    }
    return letters
  }

  async #rows(): Promise<End[]> {
    const all: End[] = []
    for (let after = Buffer.alloc(0); ;) {
      const rows = await this.#query<{ source: string; key: Buffer; hash: string }>(
        `SELECT source, event_key AS key, encode(sha256(raw), 'hex') AS hash FROM events
         WHERE event_key > $1 ORDER BY event_key LIMIT ${PAGE}`,
        [after],
      )
      for (const { source, key, hash } of rows) {
        all.push({ source, eventKey: key.toString('hex'), rawHash: hash })
      }
      const last = rows.at(-1)
      if (last === undefined) return all
      after = last.key as Buffer<ArrayBuffer>
    }
  }

  /** The order is stated here once more, apart from the sink's own. */
  async #staleInteractions(): Promise<number> {
    const rows = await this.#query<{ count: string }>(
      `WITH latest AS (
         SELECT DISTINCT ON (source, interaction_id) source, interaction_id, event_key, sequence FROM events
         ORDER BY source, interaction_id, sequence DESC NULLS LAST, occurred_at DESC NULLS LAST, received_at DESC, event_key DESC
       )
       SELECT count(*) AS count FROM latest FULL JOIN interactions USING (source, interaction_id)
       WHERE latest.event_key IS DISTINCT FROM interactions.event_key
          OR latest.sequence IS DISTINCT FROM interactions.sequence`,
    )
    return Number(rows[0]!.count)
  }
}
