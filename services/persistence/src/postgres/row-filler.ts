import { createHash } from 'node:crypto'
import { storedText } from '@weir/contracts'
import type { GapFiller, ShapeGaps } from '@weir/row-sink'
import pg from 'pg'
import { jsonbOf } from './jsonb.ts'
import { sinkErrorOf } from './sql-faults.ts'
import { beginWith, connectionTo, inTransaction } from './transaction.ts'

/** Result of one chunk and position of the walk. */
export interface Walked {
  /** The last key examined; undefined when there were no more rows. */
  readonly lastKey: Buffer | undefined
  readonly lookedAt: number
  readonly filled: number
}

/** Where an interrupted walk continues. */
export interface WalkPosition {
  readonly afterKey: Buffer
  readonly lookedAt: number
  readonly filled: number
}

const GAPS = `unnest($1::text[], $2::text[], $3::text[], $4::integer[], $5::jsonb[])
  AS gap (source, event_type, fingerprint, number, nulls)`
/** Existing values stay; only missing ones are added. */
const LACKS = `events.source = gap.source AND events.event_type = gap.event_type
  AND events.schema_version = gap.fingerprint
  AND (events.schema_version_number IS NULL OR (gap.nulls || events.attributes) <> events.attributes)`
const FILL = `UPDATE events SET attributes = gap.nulls || events.attributes,
  schema_version_number = coalesce(events.schema_version_number, gap.number)`

const FILL_RECENT = `${FILL} FROM ${GAPS} WHERE events.stored_at >= clock_timestamp() - $6 * interval '1 millisecond' AND ${LACKS}`

const CHUNK = `chunk AS MATERIALIZED (
  SELECT event_key FROM events WHERE event_key > $6 ORDER BY event_key LIMIT $7
)`
const WALKED = `SELECT
  (SELECT event_key FROM chunk ORDER BY event_key DESC LIMIT 1) AS last_key,
  (SELECT count(*)::integer FROM chunk) AS looked_at`
const COUNT_CHUNK = `WITH ${CHUNK} ${WALKED},
  (SELECT count(*)::integer FROM chunk JOIN events USING (event_key), ${GAPS} WHERE ${LACKS}) AS filled`
/** One statement changes the rows and notes the position, so that a job that was killed continues where it stopped. */
const FILL_CHUNK = `WITH ${CHUNK}, filled AS (
  ${FILL} FROM chunk, ${GAPS} WHERE events.event_key = chunk.event_key AND ${LACKS} RETURNING 1
), walked AS (
  ${WALKED}, (SELECT count(*)::integer FROM filled) AS filled
), marked AS (
  INSERT INTO weir_backfills (source, target, after_key, looked_at, filled)
  SELECT $8, $9, last_key, looked_at, filled FROM walked WHERE last_key IS NOT NULL
  ON CONFLICT (source) DO UPDATE SET target = excluded.target, after_key = excluded.after_key,
    looked_at = excluded.looked_at + CASE WHEN weir_backfills.target = excluded.target THEN weir_backfills.looked_at ELSE 0 END,
    filled = excluded.filled + CASE WHEN weir_backfills.target = excluded.target THEN weir_backfills.filled ELSE 0 END,
    updated_at = clock_timestamp()
)
SELECT * FROM walked`

const columnsOf = (gaps: readonly ShapeGaps[]): unknown[] => [
  gaps.map(({ source }) => storedText(source)),
  gaps.map(({ eventType }) => storedText(eventType)),
  gaps.map(({ fingerprint }) => fingerprint),
  gaps.map(({ number }) => number),
  gaps.map(
    ({ missing }) =>
      jsonbOf(Buffer.from(JSON.stringify(Object.fromEntries(missing.map((name) => [name, null]))))).json,
  ),
]

/** What a walk fills. A walk that fills something else starts from the first key. */
const targetOf = (gaps: readonly ShapeGaps[]): Buffer => {
  const texts = gaps.map((gap) => JSON.stringify([gap.eventType, gap.fingerprint, gap.number, gap.missing]))
  return createHash('sha256').update(texts.sort().join('\n')).digest()
}

const LOCK = 7_305_012
const TRY_LOCK = 'SELECT pg_try_advisory_xact_lock($1, hashtext($2)) AS is_ours'
const BEGIN_LOCK = beginWith({ idle_in_transaction_session_timeout: 0 })

/**
 * Adds the shape number and the nulls of known fields to rows that lack them. Every call may be repeated. Rejects with
 * a `SinkUnavailableError` or a `SinkFaultError`.
 */
export class RowFiller implements GapFiller {
  readonly #pool: pg.Pool
  readonly #begin: string

  constructor({ databaseUrl, statementTimeoutMs }: { databaseUrl: string; statementTimeoutMs: number }) {
    this.#pool = new pg.Pool({
      ...connectionTo(databaseUrl),
      max: 2,
      query_timeout: statementTimeoutMs + 5_000,
      application_name: 'weir-backfill',
    })
    this.#begin = beginWith({ statement_timeout: statementTimeoutMs })
    // An idle connection broke; the next query opens another.
    this.#pool.on('error', () => undefined)
  }

  /** Rows that were stored in the last `ms`; returns how many lacked something. */
  async fillRecent(gaps: readonly ShapeGaps[], ms: number): Promise<number> {
    if (gaps.length === 0) return 0
    const { rowCount } = await this.#ask(FILL_RECENT, [...columnsOf(gaps), Math.ceil(ms)])
    return rowCount ?? 0
  }

  /** The next rows of any source, in the order of their keys. */
  async fillChunk(
    source: string,
    gaps: readonly ShapeGaps[],
    after: Buffer,
    { rows: limit, isDryRun }: { readonly rows: number; readonly isDryRun: boolean },
  ): Promise<Walked> {
    const common = [...columnsOf(gaps), after, limit]
    const { rows } = isDryRun
      ? await this.#ask(COUNT_CHUNK, common)
      : await this.#ask(FILL_CHUNK, [...common, source, targetOf(gaps)])
    const { last_key, looked_at, filled } = rows[0] as {
      last_key: Buffer | null
      looked_at: number
      filled: number
    }
    return { lastKey: last_key ?? undefined, lookedAt: looked_at, filled }
  }

  /** Where an interrupted walk with the same gaps stopped; undefined if there is none. */
  async position(source: string, gaps: readonly ShapeGaps[]): Promise<WalkPosition | undefined> {
    const { rows } = await this.#ask(
      'SELECT after_key, looked_at::float8, filled::float8 FROM weir_backfills WHERE source = $1 AND target = $2',
      [source, targetOf(gaps)],
    )
    const row = rows[0] as { after_key: Buffer; looked_at: number; filled: number } | undefined
    return row && { afterKey: row.after_key, lookedAt: row.looked_at, filled: row.filled }
  }

  async forget(source: string): Promise<void> {
    await this.#ask('DELETE FROM weir_backfills WHERE source = $1', [source])
  }

  /**
   * Runs `act` unless another job of this source is running; then it returns undefined. An open transaction holds the
   * lock, because a pooler would keep a lock of the session.
   */
  async alone<T>(source: string, act: () => Promise<T>): Promise<T | undefined> {
    let done: { readonly result: T } | undefined
    try {
      await inTransaction(this.#pool, BEGIN_LOCK, async (client) => {
        const { rows } = await client.query<{ is_ours: boolean }>(TRY_LOCK, [LOCK, source])
        if (rows[0]!.is_ours) done = { result: await act() }
      })
    } catch (error) {
      // The connection of the lock may have broken after `act`, which undoes nothing.
      if (done === undefined) throw sinkErrorOf(error)
    }
    return done?.result
  }

  async close(): Promise<void> {
    await this.#pool.end()
  }

  async #ask(text: string, values: readonly unknown[]): Promise<pg.QueryResult> {
    try {
      return await inTransaction(this.#pool, this.#begin, (client) => client.query(text, [...values]))
    } catch (error) {
      throw sinkErrorOf(error)
    }
  }
}
