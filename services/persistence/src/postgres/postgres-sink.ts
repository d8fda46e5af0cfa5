import pg from 'pg'
import { SinkUnavailableError, type RowEvent, type RowResult, type RowSink } from '@weir/row-sink'
import { parametersOf } from './columns.ts'
import { INSERT } from './insert.ts'
import { sinkErrorOf, sqlFaultOf, stateOf } from './sql-faults.ts'
import { beginWith, connectionTo, inTransaction } from './transaction.ts'

export interface PostgresOptions {
  readonly databaseUrl: string
  readonly poolMax: number
  readonly statementTimeoutMs: number
}

/**
 * Share of the statement timeout after which a wait for a lock ends, so that waiting is distinguished from work. A row
 * needs only a few locks, and waiting for all of them takes less than the timeout.
 */
const LOCK_SHARE = 0.1
/** A single row becomes a dead letter after that many timeouts while the tables can be written. */
const ROW_TIMEOUTS_MAX = 3
/** Limit of remembered slow rows. If there are more, no single row is to blame. */
const SLOW_ROWS_MAX = 1_000

export class PostgresSink implements RowSink {
  readonly #pool: pg.Pool
  readonly #begin: string
  /** Timeouts of each row that was written alone, by event key; 0: the row waited for a lock. */
  readonly #slow = new Map<string, number>()

  constructor({ databaseUrl, poolMax, statementTimeoutMs }: PostgresOptions) {
    this.#pool = new pg.Pool({
      ...connectionTo(databaseUrl),
      max: poolMax,
      query_timeout: statementTimeoutMs + 5_000,
      application_name: 'weir-persistence',
    })
    this.#begin = beginWith({
      statement_timeout: statementTimeoutMs,
      lock_timeout: Math.ceil(LOCK_SHARE * statementTimeoutMs),
    })
    // An idle connection broke; the next query opens another.
    this.#pool.on('error', () => undefined)
  }

  /** Writes rows that failed alone before on their own again, so that batches need not be halved down to them. */
  async write(events: readonly RowEvent[]): Promise<readonly RowResult[]> {
    if (!events.some(({ eventKey }) => this.#slow.has(eventKey))) return this.#writeRows(events)
    const groups = Map.groupBy(events, ({ eventKey }) => (this.#slow.has(eventKey) ? eventKey : ''))
    const results = new Map<RowEvent, RowResult>()
    for (const key of ['', ...[...groups.keys()].filter((one) => one !== '')]) {
      const group = groups.get(key) ?? []
      const written = await this.#writeRows(group)
      for (const [index, event] of group.entries()) results.set(event, written[index]!)
    }
    return events.map((event) => results.get(event)!)
  }

  async close(): Promise<void> {
    await this.#pool.end()
  }

  /**
   * A refused, locked or slow row makes the whole statement fail. Halving finds it, as every attempt can be repeated.
   */
  async #writeRows(events: readonly RowEvent[]): Promise<readonly RowResult[]> {
    if (events.length === 0) return []
    let inserted: Set<string> | undefined
    try {
      inserted = await this.#insert(events)
      const results = await this.#judge(events, inserted)
      for (const { eventKey } of events) this.#slow.delete(eventKey)
      return results
    } catch (error) {
      const fault = sqlFaultOf(error)
      const isOne = events.length === 1
      const isOfRows = fault === 'content' || fault === 'locked' || fault === 'too_much'
      // The row was inserted, so only reading the stored hashes has failed.
      if (!isOfRows || (isOne && inserted)) throw sinkErrorOf(error)
      if (fault !== 'content') await this.#requireTables()
      if (isOne && fault === 'locked') throw this.#locked(events[0]!, error)
      if (isOne) return [fault === 'content' ? refused(error) : this.#tooSlow(events[0]!, error)]
      const half = Math.ceil(events.length / 2)
      return [
        ...(await this.#writeRows(events.slice(0, half))),
        ...(await this.#writeRows(events.slice(half))),
      ]
    }
  }

  /**
   * A statement without rows takes the same locks. If it fails as well, the database is busy and no row is to blame.
   */
  async #requireTables(): Promise<void> {
    try {
      await this.#insert([])
    } catch (error) {
      throw sinkErrorOf(error)
    }
  }

  /** A lock is the fault of its holder, so the row is retried without a limit. */
  #locked({ eventKey }: RowEvent, error: unknown): SinkUnavailableError {
    this.#goesAlone(eventKey, this.#slow.get(eventKey) ?? 0)
    return new SinkUnavailableError(
      `a row waits for a lock of another PostgreSQL session (${stateOf(error)}): find it with pg_blocking_pids and pg_locks`,
      { cause: error },
    )
  }

  #goesAlone(eventKey: string, times: number): void {
    if (this.#slow.size >= SLOW_ROWS_MAX) this.#slow.clear()
    this.#slow.set(eventKey, times)
  }

  /** The whole server may be slow, so only repeated timeouts are the fault of the row. */
  #tooSlow({ eventKey }: RowEvent, error: unknown): RowResult {
    const times = (this.#slow.get(eventKey) ?? 0) + 1
    if (times >= ROW_TIMEOUTS_MAX) {
      this.#slow.delete(eventKey)
      return { kind: 'rejected', detail: `${stateOf(error)}: the row timed out ${times} times on its own` }
    }
    this.#goesAlone(eventKey, times)
    throw new SinkUnavailableError(
      `a row takes longer than DATABASE_STATEMENT_TIMEOUT_MS (${times} of ${ROW_TIMEOUTS_MAX} attempts)`,
      { cause: error },
    )
  }

  async #insert(events: readonly RowEvent[]): Promise<Set<string>> {
    const values = parametersOf(events)
    // Not a prepared statement, because a pooler may give each transaction another session.
    const insert = (client: pg.PoolClient) => client.query<{ event_key: Buffer }>(INSERT, values)
    const { rows } = await inTransaction(this.#pool, this.#begin, insert)
    return new Set(rows.map(({ event_key: key }) => key.toString('hex')))
  }

  /** Tells repeats from conflicts among the events that were stored before or came twice in this batch. */
  async #judge(events: readonly RowEvent[], inserted: Set<string>): Promise<readonly RowResult[]> {
    const claimed = new Set<string>()
    const isFirst = ({ eventKey }: RowEvent): boolean => {
      const first = inserted.has(eventKey) && !claimed.has(eventKey)
      claimed.add(eventKey)
      return first
    }
    const firsts = events.map(isFirst)
    if (!firsts.includes(false)) return events.map(() => ({ kind: 'stored' }))
    const stored = await this.#hashes(events.filter((_, index) => !firsts[index]))
    return events.map(({ eventKey, bodyHash }) => {
      const first = stored.get(eventKey)
      return first === undefined || first === bodyHash.toString('hex')
        ? { kind: 'stored' }
        : { kind: 'conflict', first }
    })
  }

  async #hashes(events: readonly RowEvent[]): Promise<ReadonlyMap<string, string>> {
    const { rows } = await this.#pool.query<{ event_key: Buffer; body_hash: Buffer }>(
      'SELECT event_key, body_hash FROM events WHERE event_key = ANY($1::bytea[])',
      [events.map(({ eventKey }) => Buffer.from(eventKey, 'hex'))],
    )
    return new Map(rows.map((row) => [row.event_key.toString('hex'), row.body_hash.toString('hex')]))
  }
}

const refused = (error: unknown): RowResult => ({ kind: 'rejected', detail: stateOf(error) })
