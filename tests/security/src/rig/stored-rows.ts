import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'

const LOOK_MS = 100
const WAIT_MS = 60_000

/** The database at the end of the pipeline; full tier only. */
export class StoredRows {
  readonly #pool: pg.Pool | undefined

  constructor(databaseUrl: string | undefined) {
    this.#pool =
      databaseUrl === undefined ? undefined : new pg.Pool({ connectionString: databaseUrl, max: 2 })
  }

  async query<R extends pg.QueryResultRow>(
    text: string,
    values: readonly unknown[] = [],
  ): Promise<readonly R[]> {
    if (this.#pool === undefined) throw new Error('there is no database in the short tier')
    return (await this.#pool.query<R>(text, [...values])).rows
  }

  /** Looks until the query gives `count` rows, at most a minute; the last look either way. */
  async until<R extends pg.QueryResultRow>(
    count: number,
    text: string,
    values: readonly unknown[],
  ): Promise<readonly R[]> {
    const deadline = performance.now() + WAIT_MS
    for (;;) {
      const rows = await this.query<R>(text, values)
      if (rows.length >= count || performance.now() > deadline) return rows
      await sleep(LOOK_MS)
    }
  }

  async untilOne<R extends pg.QueryResultRow>(
    text: string,
    values: readonly unknown[],
  ): Promise<R | undefined> {
    return (await this.until<R>(1, text, values))[0]
  }

  async close(): Promise<void> {
    await this.#pool?.end()
  }
}
