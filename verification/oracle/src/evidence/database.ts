import pg from 'pg'

/** A row of `events`. */
export interface StoredEvent {
  /** Hex. */
  readonly key: string
  readonly source: string
  readonly interaction: string
  readonly type: string
  /** Digits. */
  readonly sequence: string | null
  /** Hex sha256 of the stored body. */
  readonly sha256: string
  /** The body is not the one that came in: a person had it changed. */
  readonly is_fixed: boolean
}

/** A row of `interactions`. */
export interface StoredState {
  readonly key: string
  readonly source: string
  readonly interaction: string
  /** Digits. */
  readonly sequence: string | null
}

const PAGE = 20_000
const UNDEFINED_TABLE = '42P01'
const EVENTS = `
  SELECT encode(event_key, 'hex') AS key, source, interaction_id AS interaction, event_type AS type,
         sequence::text AS sequence, encode(sha256(raw), 'hex') AS sha256, fix_up IS NOT NULL AS is_fixed
  FROM events`
const STATES = `
  SELECT encode(event_key, 'hex') AS key, source, interaction_id AS interaction, sequence::text AS sequence
  FROM interactions`

/** Rows of `events` that retention has deleted, by its receipts. */
export type DeletedRows = ReadonlyMap<string, number>

const DELETED = 'SELECT source, sum(events)::float8 AS count FROM weir_retention_receipts GROUP BY source'

/** Both tables and the receipts of retention as they are at one moment. Without the tables nothing is stored. */
export const readTables = async (
  url: string,
  onEvents: (rows: readonly StoredEvent[]) => void,
  onStates: (rows: readonly StoredState[]) => void,
  onDeleted: (rows: DeletedRows) => void,
): Promise<void> => {
  const client = new pg.Client({ connectionString: url, application_name: 'weir-oracle' })
  client.on('error', () => undefined)
  await client.connect()
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    for await (const rows of pages(client, EVENTS)) onEvents(rows as unknown as StoredEvent[])
    for await (const rows of pages(client, STATES)) onStates(rows as unknown as StoredState[])
    const { rows: deleted } = await client.query<{ source: string; count: number }>(DELETED)
    onDeleted(new Map(deleted.map(({ source, count }) => [source, count])))
    await client.query('COMMIT')
  } catch (error) {
    if ((error as { code?: string }).code !== UNDEFINED_TABLE) throw error
  } finally {
    await client.end().catch(() => undefined)
  }
}

async function* pages(client: pg.Client, sql: string): AsyncGenerator<readonly pg.QueryResultRow[]> {
  await client.query(`DECLARE reading NO SCROLL CURSOR FOR ${sql}`)
  for (;;) {
    const { rows } = await client.query(`FETCH ${PAGE} FROM reading`)
    if (rows.length === 0) break
    yield rows as pg.QueryResultRow[]
  }
  await client.query('CLOSE reading')
}
