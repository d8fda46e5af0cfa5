import { storedText } from '@weir/contracts'
import { boundedAnswers } from '@weir/runtime'
import pg from 'pg'
import type { StoredEvent } from './event-facts.ts'
import { FIND_INTERACTION, type StoredInteraction } from './stored-interactions.ts'

export interface StoredEventsOptions {
  readonly databaseUrl: string
  readonly timeoutMs: number
}

/** The database did not respond. */
export class DatabaseUnavailableError extends Error {
  override readonly name = 'DatabaseUnavailableError'
}

const POOL_MAX = 4
/** Limit of one row. */
const ANSWER_BYTES_MAX = 16_777_216
const TABLE_MISSING = '42P01'

/** Looks up rows of persistence one at a time by their primary key. */
export class StoredEvents {
  readonly #pool: pg.Pool

  constructor({ databaseUrl, timeoutMs }: StoredEventsOptions) {
    this.#pool = new pg.Pool({
      connectionString: databaseUrl,
      max: POOL_MAX,
      query_timeout: timeoutMs,
      connectionTimeoutMillis: timeoutMs,
      stream: boundedAnswers(ANSWER_BYTES_MAX),
      application_name: 'weir-console',
    })
    // An idle connection may break. The next query opens a new one.
    this.#pool.on('error', () => undefined)
  }

  /** Resolves to undefined if the row does not exist. Rejects with a `DatabaseUnavailableError`. */
  async find(eventKey: Buffer): Promise<StoredEvent | undefined> {
    const row = await this.#ask<{ source: string; event_type: string; received_at: Date; stored_at: Date }>(
      'SELECT source, event_type, received_at, stored_at FROM events WHERE event_key = $1',
      [eventKey],
    )
    return (
      row && {
        source: row.source,
        eventType: row.event_type,
        receivedAt: row.received_at.getTime(),
        storedAt: row.stored_at.getTime(),
      }
    )
  }

  /**
   * Resolves to the latest state, or undefined for an unknown interaction. Rejects with a `DatabaseUnavailableError`.
   */
  findInteraction(source: string, interactionId: string): Promise<StoredInteraction | undefined> {
    return this.#ask<StoredInteraction>(FIND_INTERACTION, [source, storedText(interactionId)])
  }

  async close(): Promise<void> {
    await this.#pool.end()
  }

  async #ask<Row extends pg.QueryResultRow>(
    text: string,
    values: readonly unknown[],
  ): Promise<Row | undefined> {
    try {
      return (await this.#pool.query<Row>(text, [...values])).rows[0]
    } catch (error) {
      const code = (error as { code?: string }).code ?? 'no connection'
      // Persistence creates the tables at its first start, so a missing table means that nothing is stored.
      if (code === TABLE_MISSING) return undefined
      throw new DatabaseUnavailableError(`the database does not respond (${code})`, { cause: error })
    }
  }
}
