import pg from 'pg'
import { sinkErrorOf } from '../postgres/sql-faults.ts'
import { beginWith, connectionTo, inTransaction } from '../postgres/transaction.ts'

export interface RetentionRun {
  readonly id: string
  readonly ageSecs: number
  /** Rows stored before it are deleted. */
  readonly storedBefore: Date
  readonly startedAt: Date
  readonly startedBy: string
  readonly finishedAt: Date | null
  readonly lookedAt: number
  /** Rows of held subjects that were old enough. */
  readonly held: number
}

export interface DeletedRows {
  readonly source: string
  readonly events: number
  readonly interactions: number
}

/** What one chunk of keys gave: what was deleted, or in a plan what would be. */
export interface RetentionChunk {
  readonly lookedAt: number
  readonly held: number
  readonly deleted: readonly DeletedRows[]
  readonly isLast: boolean
}

interface Walk {
  readonly after: Buffer
  readonly storedBefore: Date
}

const RUN_COLUMNS = `id::text, age_secs::float8 AS "ageSecs", stored_before AS "storedBefore",
  started_at AS "startedAt", started_by AS "startedBy", finished_at AS "finishedAt", looked_at::float8 AS "lookedAt",
  held::float8 AS held`
const BEGUN = `SELECT ${RUN_COLUMNS} FROM weir_retention_runs WHERE age_secs = $1::bigint AND finished_at IS NULL
  ORDER BY id DESC LIMIT 1`
/** The age counts by the clock of the database, which has also given the rows their moments. */
const CUTOFF = `date_trunc('milliseconds', clock_timestamp() - $1::bigint * interval '1 second')`
const BEGIN_RUN = `INSERT INTO weir_retention_runs (age_secs, stored_before, started_by)
  VALUES ($1::bigint, ${CUTOFF}, $2) RETURNING ${RUN_COLUMNS}`
/** One batch of a run at a time. */
const OWN_RUN = `SELECT after_key AS after, stored_before AS "storedBefore" FROM weir_retention_runs
  WHERE id = $1 AND finished_at IS NULL FOR UPDATE`
/** A hold that is being placed is waited for, and one that is placed later waits for this batch. */
const LOCK_HOLDS = 'LOCK TABLE weir_holds IN SHARE MODE'

const BOUNDS = `SELECT (SELECT event_key FROM chunk ORDER BY event_key DESC LIMIT 1) AS last,
  (SELECT count(*)::integer FROM chunk) AS "lookedAt"
FROM (SELECT) AS one`
const CHUNK = `WITH chunk AS MATERIALIZED (
  SELECT event_key FROM events WHERE event_key > $1 ORDER BY event_key LIMIT $2
) ${BOUNDS}`

const OLD = 'event_key > $1 AND event_key <= $2 AND stored_at < $3'
/**
 * In the order in which persistence takes them. With these locks no event becomes an interaction's latest, so that the
 * next statement sees every event whose interaction it deletes; an event that waits for a lock makes its interaction
 * again.
 */
const LOCK_INTERACTIONS = `SELECT count(*) FROM (SELECT FROM interactions
  WHERE (source, interaction_id) IN (SELECT source, interaction_id FROM events WHERE ${OLD})
  ORDER BY source, interaction_id FOR UPDATE) AS locked`

const STANDING = 'weir_holds.released_at IS NULL'
const OF_CUSTOMER = `${STANDING} AND (weir_holds.source IS NULL OR weir_holds.source = subjects.source)`
const SAME = (table: string): string =>
  `${table}.source = subjects.source AND ${table}.interaction_id = subjects.interaction_id`
/**
 * `held`: subjects with a standing hold, on the interaction or on a customer of any of its events. `latest`: the latest
 * event of an interaction that has a younger one stays, because the row of `interactions` stays.
 */
const JUDGED = `old AS MATERIALIZED (
  SELECT event_key, source, interaction_id FROM events WHERE ${OLD}
), subjects AS MATERIALIZED (
  SELECT DISTINCT source, interaction_id FROM old
), held AS MATERIALIZED (
  SELECT source, interaction_id FROM subjects WHERE
    EXISTS (SELECT FROM weir_holds WHERE ${STANDING} AND ${SAME('weir_holds')})
    OR EXISTS (SELECT FROM weir_holds JOIN events ON events.customer_identifier = weir_holds.customer_identifier
      WHERE ${OF_CUSTOMER} AND ${SAME('events')})
    OR EXISTS (SELECT FROM weir_holds JOIN interactions
      ON interactions.customer_identifier = weir_holds.customer_identifier WHERE ${OF_CUSTOMER} AND ${SAME('interactions')})
), latest AS MATERIALIZED (
  SELECT interactions.event_key FROM subjects JOIN interactions ON ${SAME('interactions')}
  WHERE EXISTS (SELECT FROM events WHERE ${SAME('events')} AND events.stored_at >= $3)
), due AS MATERIALIZED (
  SELECT event_key, source, interaction_id FROM old
  WHERE (source, interaction_id) NOT IN (SELECT source, interaction_id FROM held)
    AND event_key NOT IN (SELECT event_key FROM latest)
)`
const HELD_COUNT = `(SELECT count(*)::integer FROM old
  WHERE (source, interaction_id) IN (SELECT source, interaction_id FROM held))`
const BY_SOURCE = `SELECT source, sum(events)::integer AS events, sum(interactions)::integer AS interactions FROM (
  SELECT source, 1 AS events, 0 AS interactions FROM gone UNION ALL SELECT source, 0, 1 FROM emptied
) AS one GROUP BY source`
const RESULT = `SELECT ${HELD_COUNT} AS held,
  (SELECT coalesce(json_agg(json_build_object('source', source, 'events', events, 'interactions', interactions)), '[]')
   FROM counted) AS deleted`

/** Rows and their receipt change in one statement. */
const DELETE = `WITH ${JUDGED}, gone AS (
  DELETE FROM events USING due WHERE events.event_key = due.event_key
  RETURNING events.event_key, events.source, events.interaction_id
), emptied AS (
  DELETE FROM interactions USING (SELECT DISTINCT source, interaction_id FROM gone) AS subjects
  WHERE ${SAME('interactions')} AND NOT EXISTS (
    SELECT FROM events WHERE ${SAME('events')} AND event_key NOT IN (SELECT event_key FROM gone))
  RETURNING interactions.source
), counted AS MATERIALIZED (${BY_SOURCE}), receipt AS (
  INSERT INTO weir_retention_receipts (run_id, source, events, interactions)
  SELECT $4::bigint, source, events, interactions FROM counted
  ON CONFLICT (run_id, source) DO UPDATE SET events = weir_retention_receipts.events + excluded.events,
    interactions = weir_retention_receipts.interactions + excluded.interactions
)
${RESULT}`
/** Each interaction is counted once, with its latest event: that is due only when all of its events are. */
const COUNT = `WITH ${JUDGED}, gone AS (SELECT event_key, source FROM due), emptied AS (
  SELECT due.source FROM due JOIN interactions ON interactions.event_key = due.event_key
    AND interactions.source = due.source AND interactions.interaction_id = due.interaction_id
), counted AS MATERIALIZED (${BY_SOURCE})
${RESULT}`
const MARK = `UPDATE weir_retention_runs SET after_key = coalesce($2, after_key), looked_at = looked_at + $3,
  held = held + $4, finished_at = CASE WHEN $5 THEN clock_timestamp() END WHERE id = $1`

const RECEIPT = `SELECT source, sum(events)::float8 AS events, sum(interactions)::float8 AS interactions
  FROM weir_retention_receipts WHERE run_id = $1 GROUP BY source ORDER BY source`

export const FIRST_KEY: Buffer = Buffer.alloc(0)

/**
 * Deletes rows of `events` and `interactions` by age, a bounded chunk of keys at a time, and notes in the same
 * transaction how far it is and what it has deleted. Needs the role that owns the tables. Every method may be repeated;
 * each rejects with a `SinkUnavailableError` or a `SinkFaultError`.
 */
export class Retention {
  readonly #pool: pg.Pool
  readonly #begin: string

  constructor({ databaseUrl, statementTimeoutMs }: { databaseUrl: string; statementTimeoutMs: number }) {
    this.#pool = new pg.Pool({
      ...connectionTo(databaseUrl),
      max: 2,
      query_timeout: statementTimeoutMs + 5_000,
      application_name: 'weir-retention',
    })
    this.#begin = beginWith({ statement_timeout: statementTimeoutMs })
    // An idle connection broke; the next query opens another.
    this.#pool.on('error', () => undefined)
  }

  /** The moment before which a row is older than this age. */
  async cutoff(ageSecs: number): Promise<Date> {
    const { rows } = await this.#ask((client) =>
      client.query<{ at: Date }>(`SELECT ${CUTOFF} AS at`, [ageSecs]),
    )
    return rows[0]!.at
  }

  /** The run of this age that was cut off; undefined: there is none. */
  async unfinished(ageSecs: number): Promise<RetentionRun | undefined> {
    const { rows } = await this.#ask((client) => client.query<RetentionRun>(BEGUN, [ageSecs]))
    return rows[0]
  }

  async start(ageSecs: number, startedBy: string): Promise<RetentionRun> {
    const { rows } = await this.#ask((client) => client.query<RetentionRun>(BEGIN_RUN, [ageSecs, startedBy]))
    return rows[0]!
  }

  /** Counts what a run would delete of the next rows. */
  async count(walk: Walk, limit: number): Promise<RetentionChunk & { readonly lastKey: Buffer }> {
    return this.#ask(async (client) => {
      const { last, lookedAt } = await boundsOf(client, walk.after, limit)
      if (last === null) return { lookedAt, held: 0, deleted: [], isLast: true, lastKey: walk.after }
      const counted = await client.query<Pick<RetentionChunk, 'held' | 'deleted'>>(COUNT, [
        walk.after,
        last,
        walk.storedBefore,
      ])
      return { ...counted.rows[0]!, lookedAt, isLast: lookedAt < limit, lastKey: last }
    })
  }

  /** Deletes what is due of the next rows of a run. Undefined: it is finished. */
  async delete(runId: string, limit: number): Promise<RetentionChunk | undefined> {
    return this.#ask(async (client) => {
      const { rows } = await client.query<Walk>(OWN_RUN, [runId])
      const walk = rows[0]
      if (walk === undefined) return undefined
      await client.query(LOCK_HOLDS)
      const { last, lookedAt } = await boundsOf(client, walk.after, limit)
      const isLast = lookedAt < limit
      let result: Pick<RetentionChunk, 'held' | 'deleted'> = { held: 0, deleted: [] }
      if (last !== null) {
        const keys = [walk.after, last, walk.storedBefore]
        await client.query(LOCK_INTERACTIONS, keys)
        result = (await client.query<typeof result>(DELETE, [...keys, runId])).rows[0]!
      }
      await client.query(MARK, [runId, last, lookedAt, result.held, isLast])
      return { ...result, lookedAt, isLast }
    })
  }

  /** What a run has deleted. */
  async receipt(runId: string): Promise<readonly DeletedRows[]> {
    return (await this.#ask((client) => client.query<DeletedRows>(RECEIPT, [runId]))).rows
  }

  /** The latest runs, the latest first. */
  async runs(limit: number): Promise<readonly RetentionRun[]> {
    const text = `SELECT ${RUN_COLUMNS} FROM weir_retention_runs ORDER BY id DESC LIMIT $1`
    return (await this.#ask((client) => client.query<RetentionRun>(text, [limit]))).rows
  }

  async close(): Promise<void> {
    await this.#pool.end()
  }

  async #ask<T>(run: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    try {
      return await inTransaction(this.#pool, this.#begin, run)
    } catch (error) {
      throw sinkErrorOf(error)
    }
  }
}

const boundsOf = async (client: pg.PoolClient, after: Buffer, limit: number) => {
  const { rows } = await client.query<{ last: Buffer | null; lookedAt: number }>(CHUNK, [after, limit])
  return rows[0]!
}
