import { isMoment, jsonBody, OPAQUE_SHAPE, parseBodyForm, storedText } from '@weir/contracts'
import pg from 'pg'
import { SinkUnavailableError, type RowEvent, type RowResult, type RowSink } from '../row-sink.ts'
import { jsonbOf, textJsonb } from './jsonb.ts'
import { sinkErrorOf, sqlFaultOf, stateOf } from './sql-faults.ts'
import { beginWith, connectionTo, inTransaction } from './transaction.ts'

export interface PostgresOptions {
  readonly databaseUrl: string
  readonly poolMax: number
  readonly statementTimeoutMs: number
}

const text = (value: string | null): string | null => (value === null ? null : storedText(value))
/** `nanos` are below the millisecond; a timestamptz holds microseconds. */
const moment = (epochMs: number | null, nanos: number | null = null): string | null => {
  if (epochMs === null || !isMoment(epochMs)) return null
  const micros = Math.floor((nanos ?? 0) / 1_000)
  return `${new Date(epochMs).toISOString().slice(0, -1)}${String(micros).padStart(3, '0')}Z`
}

/** Values are JSON texts already. */
const attributesJson = (attributes: RowEvent['attributes']): string =>
  `{${Object.entries(attributes)
    .map(([name, json]) => `${JSON.stringify(name)}:${json}`)
    .join(',')}}`

const payloadOf = ({ raw, bodyForm, schemaVersion }: RowEvent) => {
  const body = jsonBody({ raw, bodyForm: parseBodyForm(bodyForm) })
  return schemaVersion === OPAQUE_SHAPE ? textJsonb(body) : jsonbOf(body)
}

/** Columns of `events`, their types, and where they come from; the order is that of the statement's arrays. */
const COLUMNS: readonly (readonly [column: string, type: string, value: (event: RowEvent) => unknown])[] = [
  ['event_key', 'bytea', ({ eventKey }) => Buffer.from(eventKey, 'hex')],
  ['source', 'text', ({ source }) => text(source)],
  ['event_type', 'text', ({ eventType }) => text(eventType)],
  ['interaction_id', 'text', ({ interactionId }) => text(interactionId)],
  ['channel', 'text', ({ channel }) => text(channel)],
  ['direction', 'text', ({ direction }) => text(direction)],
  ['customer_identifier', 'text', ({ customerIdentifier }) => text(customerIdentifier)],
  ['customer_type', 'text', ({ customerType }) => text(customerType)],
  ['queue', 'text', ({ queue }) => text(queue)],
  ['skill', 'text', ({ skill }) => text(skill)],
  ['agent_id', 'text', ({ agentId }) => text(agentId)],
  ['message', 'text', ({ message }) => text(message)],
  ['intent', 'text', ({ intent }) => text(intent)],
  ['sequence', 'bigint', ({ sequence }) => sequence?.toString() ?? null],
  ['occurred_at', 'timestamptz', ({ occurredAt, occurredAtNanos }) => moment(occurredAt, occurredAtNanos)],
  ['occurred_at_nanos', 'integer', ({ occurredAtNanos }) => occurredAtNanos],
  ['occurred_at_original', 'text', ({ occurredAtOriginal }) => text(occurredAtOriginal)],
  ['received_at', 'timestamptz', ({ receivedAt }) => moment(receivedAt)],
  ['processed_at', 'timestamptz', ({ processedAt }) => moment(processedAt)],
  ['schema_version', 'text', ({ schemaVersion }) => text(schemaVersion)],
  ['schema_version_number', 'integer', ({ schemaVersionNumber }) => schemaVersionNumber ?? null],
  ['declared_schema_version', 'text', ({ declaredSchemaVersion }) => text(declaredSchemaVersion)],
  ['data_action_id', 'text', ({ dataActionId }) => text(dataActionId)],
  ['session_id', 'text', ({ sessionId }) => text(sessionId)],
  ['user_id', 'text', ({ userId }) => text(userId)],
  ['attributes', 'jsonb', ({ attributes }) => jsonbOf(Buffer.from(attributesJson(attributes))).json],
  ['body_hash', 'bytea', ({ bodyHash }) => bodyHash],
  ['payload', 'jsonb', (event) => payloadOf(event).json],
  ['payload_sanitised', 'boolean', (event) => payloadOf(event).sanitised],
  ['raw', 'bytea', ({ raw }) => raw],
  ['fix_up', 'text', ({ fixUp }) => text(fixUp)],
  // Arrays of arrays must be rectangular, so the list travels as one text.
  ['parts_missing', 'text', ({ partsMissing }) => partsMissing.join(',')],
]

/** The statement's parameters: an array for each column. */
export const columnsOf = (events: readonly RowEvent[]): unknown[][] =>
  COLUMNS.map(([, , value]) => events.map(value))

const NAMES = COLUMNS.map(([column]) => column)
const LATEST = [
  'source',
  'interaction_id',
  'event_key',
  'event_type',
  'channel',
  'direction',
  'customer_identifier',
  'customer_type',
  'queue',
  'skill',
  'agent_id',
  'sequence',
  'occurred_at',
  'occurred_at_nanos',
  'received_at',
  'payload',
]
/** A total order: the provider's sequence where it has one, else its time; then ours; then the key. */
const order = (table: string): string =>
  `(coalesce(${table}.sequence, -1), coalesce(${table}.occurred_at, '-infinity'), coalesce(${table}.occurred_at_nanos, 0), ${table}.received_at, ${table}.event_key)`
const ORDER_DESCENDING = `coalesce(sequence, -1) DESC, coalesce(occurred_at, '-infinity') DESC, coalesce(occurred_at_nanos, 0) DESC, received_at DESC, event_key DESC`

/** One statement: only rows that are really new can become an interaction's latest, and never an older one. */
const INSERT = `
WITH given AS (
  SELECT * FROM unnest(${COLUMNS.map(([, type], index) => `$${index + 1}::${type}[]`).join(', ')}) AS t(${NAMES.join(', ')})
), inserted AS (
  INSERT INTO events (${NAMES.join(', ')})
  SELECT ${NAMES.map((name) => (name === 'parts_missing' ? `string_to_array(parts_missing, ',')` : name)).join(', ')}
  FROM given ORDER BY event_key
  ON CONFLICT (event_key) DO NOTHING
  RETURNING ${LATEST.join(', ')}
), latest AS (
  SELECT DISTINCT ON (source, interaction_id) * FROM inserted
  ORDER BY source, interaction_id, ${ORDER_DESCENDING}
), upserted AS (
  INSERT INTO interactions (${LATEST.join(', ')})
  SELECT ${LATEST.join(', ')} FROM latest ORDER BY source, interaction_id
  ON CONFLICT (source, interaction_id) DO UPDATE SET
    ${LATEST.slice(2)
      .map((name) => `${name} = excluded.${name}`)
      .join(', ')}, updated_at = clock_timestamp()
  WHERE ${order('excluded')} > ${order('interactions')}
)
SELECT event_key FROM inserted`

/**
 * A statement waits for a lock no longer than this part of its time-out, so that a wait is told from work. A row waits for
 * a few locks at most: what they take together is less than the time-out.
 */
const LOCK_SHARE = 0.1
/** Times that one row may exceed the time-out, alone and while the tables can be written, before it is a dead letter. */
const ROW_TIMEOUTS_MAX = 3
/** More that are remembered say nothing of one row. */
const SLOW_ROWS_MAX = 1_000

export class PostgresSink implements RowSink {
  readonly #pool: pg.Pool
  readonly #begin: string
  /** How often a row timed out alone, by its event key; 0: it waited for a lock. */
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
    // A connection that breaks while idle: the next query opens another.
    this.#pool.on('error', () => undefined)
  }

  /** Rows that failed alone are written alone again, so that batches are not halved down to them each time. */
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

  /** One row that is refused, locked or takes too long spoils all: halves find it, and every attempt may be repeated. */
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
      // A row that is there is not refused, whatever became of the look at it.
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

  /** A statement without rows takes the same locks: where it fails too, the database is busy and no row is at fault. */
  async #requireTables(): Promise<void> {
    try {
      await this.#insert([])
    } catch (error) {
      throw sinkErrorOf(error)
    }
  }

  /** The holder of the lock is at fault, however long it holds it. */
  #locked({ eventKey }: RowEvent, error: unknown): SinkUnavailableError {
    this.#goesAlone(eventKey, this.#slow.get(eventKey) ?? 0)
    return new SinkUnavailableError(
      `one row waits for a lock that another session of PostgreSQL holds (${stateOf(error)}): pg_blocking_pids and pg_locks tell which`,
      { cause: error },
    )
  }

  #goesAlone(eventKey: string, times: number): void {
    if (this.#slow.size >= SLOW_ROWS_MAX) this.#slow.clear()
    this.#slow.set(eventKey, times)
  }

  /** The server may be slow for everyone just now: so it is a fault of the row only when it happens again and again. */
  #tooSlow({ eventKey }: RowEvent, error: unknown): RowResult {
    const times = (this.#slow.get(eventKey) ?? 0) + 1
    if (times >= ROW_TIMEOUTS_MAX) {
      this.#slow.delete(eventKey)
      return { kind: 'rejected', detail: `${stateOf(error)}, alone and ${times} times: it takes too long` }
    }
    this.#goesAlone(eventKey, times)
    throw new SinkUnavailableError(
      `one row takes longer than DATABASE_STATEMENT_TIMEOUT_MS, ${times} of ${ROW_TIMEOUTS_MAX} times`,
      { cause: error },
    )
  }

  async #insert(events: readonly RowEvent[]): Promise<Set<string>> {
    const values = columnsOf(events)
    // Without a name: a pooler may give each transaction another session.
    const insert = (client: pg.PoolClient) => client.query<{ event_key: Buffer }>(INSERT, values)
    const { rows } = await inTransaction(this.#pool, this.#begin, insert)
    return new Set(rows.map(({ event_key: key }) => key.toString('hex')))
  }

  /** What was not inserted was there before, or came twice in this batch: with the same body or with another. */
  async #judge(events: readonly RowEvent[], inserted: Set<string>): Promise<readonly RowResult[]> {
    const claimed = new Set<string>()
    const isFirst = ({ eventKey }: RowEvent): boolean => {
      const first = inserted.has(eventKey) && !claimed.has(eventKey)
      claimed.add(eventKey)
      return first
    }
    const firsts = events.map(isFirst)
    if (!firsts.includes(false)) return events.map(() => ({ kind: 'stored' }))
    const there = await this.#hashes(events.filter((_, index) => !firsts[index]))
    return events.map(({ eventKey, bodyHash }) => {
      const first = there.get(eventKey)
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
