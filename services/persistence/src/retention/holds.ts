import { storedText } from '@weir/contracts'
import pg from 'pg'
import { sinkErrorOf } from '../postgres/sql-faults.ts'
import { beginWith, connectionTo, inTransaction } from '../postgres/transaction.ts'

/** What a hold protects: one interaction of a source, or one customer, of a source or of all sources. */
export type Subject =
  | { readonly source: string; readonly interactionId: string }
  | { readonly source?: string | undefined; readonly customerIdentifier: string }

export interface Hold {
  readonly id: string
  readonly source: string | null
  readonly interactionId: string | null
  readonly customerIdentifier: string | null
  readonly placedAt: Date
  readonly placedBy: string
  readonly reason: string
  readonly releasedAt: Date | null
  readonly releasedBy: string | null
  readonly releaseReason: string | null
}

const STATEMENT_MS = 60_000
const COLUMNS = `id::text, source, interaction_id AS "interactionId", customer_identifier AS "customerIdentifier",
  placed_at AS "placedAt", placed_by AS "placedBy", reason, released_at AS "releasedAt", released_by AS "releasedBy",
  release_reason AS "releaseReason"`
const ADD = `INSERT INTO weir_holds (source, interaction_id, customer_identifier, placed_by, reason)
  VALUES ($1, $2, $3, $4, $5) RETURNING ${COLUMNS}`
const RELEASE = `UPDATE weir_holds SET released_at = clock_timestamp(), released_by = $2, release_reason = $3
  WHERE id = $1 AND released_at IS NULL RETURNING ${COLUMNS}`
const COUNT_INTERACTION =
  'SELECT count(*)::float8 AS count FROM events WHERE source = $1 AND interaction_id = $2'
/** A customer's hold covers the whole of each interaction in which the customer appears. */
const COUNT_CUSTOMER = `SELECT count(*)::float8 AS count FROM events WHERE (source, interaction_id) IN (
  SELECT source, interaction_id FROM events WHERE customer_identifier = $2 AND ($1::text IS NULL OR source = $1))`

/**
 * Legal holds: rows of a held subject survive every retention run, those that are stored later included. A hold counts
 * from the moment `add` resolves: a batch that deletes either ends before it or sees it. Needs the role that owns the
 * tables. Every method rejects with a `SinkUnavailableError` or a `SinkFaultError`.
 */
export class Holds {
  readonly #pool: pg.Pool

  constructor({ databaseUrl }: { readonly databaseUrl: string }) {
    this.#pool = new pg.Pool({
      ...connectionTo(databaseUrl),
      max: 1,
      query_timeout: STATEMENT_MS + 5_000,
      application_name: 'weir-hold',
    })
    // An idle connection broke; the next query opens another.
    this.#pool.on('error', () => undefined)
  }

  async add(subject: Subject, placedBy: string, reason: string): Promise<Hold> {
    const isInteraction = 'interactionId' in subject
    const [hold] = await this.#ask<Hold>(ADD, [
      subject.source === undefined ? null : storedText(subject.source),
      isInteraction ? storedText(subject.interactionId) : null,
      isInteraction ? null : storedText(subject.customerIdentifier),
      placedBy,
      reason,
    ])
    return hold!
  }

  /** Undefined: there is no such hold, or it is released. */
  async release(id: string, releasedBy: string, reason: string): Promise<Hold | undefined> {
    return (await this.#ask<Hold>(RELEASE, [id, releasedBy, reason]))[0]
  }

  /** The standing holds in the order in which they were placed; with `all`, those that are released too. */
  list({ all = false }: { readonly all?: boolean } = {}): Promise<readonly Hold[]> {
    return this.#ask<Hold>(`SELECT ${COLUMNS} FROM weir_holds WHERE $1 OR released_at IS NULL ORDER BY id`, [
      all,
    ])
  }

  /** How many rows of `events` a hold on this subject protects now. */
  async count(subject: Subject): Promise<number> {
    const isInteraction = 'interactionId' in subject
    const source = subject.source === undefined ? null : storedText(subject.source)
    const id = storedText(isInteraction ? subject.interactionId : subject.customerIdentifier)
    const [row] = await this.#ask<{ count: number }>(isInteraction ? COUNT_INTERACTION : COUNT_CUSTOMER, [
      source,
      id,
    ])
    return row!.count
  }

  async close(): Promise<void> {
    await this.#pool.end()
  }

  async #ask<Row extends pg.QueryResultRow>(
    text: string,
    values: readonly unknown[],
  ): Promise<readonly Row[]> {
    try {
      const begin = beginWith({ statement_timeout: STATEMENT_MS })
      const { rows } = await inTransaction(this.#pool, begin, (client) =>
        client.query<Row>(text, [...values]),
      )
      return rows
    } catch (error) {
      throw sinkErrorOf(error)
    }
  }
}
