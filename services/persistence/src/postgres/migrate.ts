import { readdirSync, readFileSync } from 'node:fs'
import { ProcessorError } from '@weir/kafka'
import pg from 'pg'
import { sinkErrorOf } from './sql-faults.ts'
import { connectionTo } from './transaction.ts'

const FOLDER = new URL('./migrations/', import.meta.url)
/** Key of the advisory lock. An arbitrary number, equal in every instance. */
const LOCK = 7_305_011
/** Timeout of one migration, or of the wait for an instance that migrates, ms. */
const STEP_MS = 600_000

const CREATE = 'CREATE TABLE weir_migrations (name text PRIMARY KEY, at timestamptz DEFAULT now())'

const isThere = async (client: pg.Client): Promise<boolean> => {
  const { rows } = await client.query<{ there: boolean }>(
    "SELECT to_regclass('weir_migrations') IS NOT NULL AS there",
  )
  return rows[0]!.there
}

const doneBefore = async (client: pg.Client): Promise<readonly string[]> => {
  if (!(await isThere(client))) return []
  const { rows } = await client.query<{ name: string }>('SELECT name FROM weir_migrations')
  return rows.map(({ name }) => name)
}

/** Rejects with a `ProcessorError` if migrations are missing and this role may not create tables. */
const requireOwner = async (client: pg.Client, wanted: readonly string[]): Promise<void> => {
  const { rows } = await client.query<{ may: boolean; role: string }>(
    "SELECT has_schema_privilege(current_schema(), 'CREATE') AS may, current_user AS role",
  )
  const { may, role } = rows[0]!
  if (!may) {
    throw new ProcessorError(
      `the database lacks ${wanted.join(', ')}, and the role ${role} may not create tables: run \`weir db migrate\` of this version`,
    )
  }
  if (!(await isThere(client))) await client.query(CREATE)
}

/**
 * Applies the missing migrations in one transaction, one instance at a time; returns their names. Rejects with a
 * `SinkUnavailableError` while the database is unavailable, and with a `ProcessorError` if a newer version has migrated
 * it.
 */
export const migrate = async (databaseUrl: string, stepMs = STEP_MS): Promise<readonly string[]> => {
  const client = new pg.Client({ ...connectionTo(databaseUrl), query_timeout: stepMs })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query('BEGIN')
    // A lock of the transaction, because a pooler would keep a lock of the session.
    await client.query('SELECT pg_advisory_xact_lock($1)', [LOCK])
    const done = new Set(await doneBefore(client))
    const known = readdirSync(FOLDER)
      .filter((name) => name.endsWith('.sql'))
      .sort()
    const unknown = [...done].filter((name) => !known.includes(name))
    if (unknown.length > 0) {
      throw new ProcessorError(
        `the database is of a newer version of Weir (it has ${unknown.join(', ')}): start that version, or restore ` +
          `the database as it was before`,
      )
    }
    const wanted = known.filter((name) => !done.has(name))
    if (wanted.length > 0) await requireOwner(client, wanted)
    for (const name of wanted) {
      await client.query(readFileSync(new URL(name, FOLDER), 'utf8'))
      await client.query('INSERT INTO weir_migrations (name) VALUES ($1)', [name])
    }
    await client.query('COMMIT')
    return wanted
  } catch (error) {
    // The end of the connection rolls back. A ROLLBACK statement might never return.
    throw sinkErrorOf(error)
  } finally {
    await client.end().catch(() => undefined)
  }
}
