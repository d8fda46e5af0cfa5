import { ProcessorError } from '@weir/kafka'
import pg from 'pg'
import { migrate } from './migrate.ts'
import { scramVerifier } from './scram.ts'
import { connectionTo } from './transaction.ts'

/** Addresses of one database. Each names a role and its password. */
export interface DatabaseAddresses {
  /** A superuser, or the owner of the database with CREATEROLE. It creates the roles; undefined: they exist. */
  readonly adminUrl?: string | undefined
  /** Owns the tables, and migrates them. */
  readonly ownerUrl: string
  /** For persistence and `weir backfill`: reads, adds and fills rows. */
  readonly writerUrl?: string | undefined
  /** For the console, audits and people: reads. */
  readonly readerUrl?: string | undefined
}

export interface PreparedDatabase {
  readonly migrations: readonly string[]
  /** Tables that another role owned before. */
  readonly handedOver: readonly string[]
}

const LOCK_MS_MAX = 5_000
/** The tables of Weir. */
const OUR_NAMES = '^(events|interactions|weir)(_|$)'
const OUR_TABLES = `relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
       AND relkind IN ('r', 'p', 'v', 'm') AND relname ~ $1`
/** Tables from which the writer deletes rows. */
const DELETED_FROM = ['weir_backfills']
/** Columns of `events` that a backfill fills; the writer may change no other. */
const FILLED_COLUMNS = ['attributes', 'schema_version_number']
/** Tables that the writer only reads. */
const ONLY_READ = ['weir_migrations', 'weir_holds', 'weir_retention_runs', 'weir_retention_receipts']

interface Role {
  readonly name: string
  readonly password: string
}

const roleOf = (variable: string, url: string): Role => {
  const { username, password } = new URL(url)
  const role = { name: decodeURIComponent(username), password: decodeURIComponent(password) }
  if (role.name === '')
    throw new ProcessorError(`${variable} has no role: give postgres://role:password@host/database`)
  if (!/^[\x21-\x7e]*$/.test(role.password)) {
    throw new ProcessorError(
      `the password in ${variable} has a space or a character outside ASCII: choose another`,
    )
  }
  return role
}

const rolesOf = ({ ownerUrl, writerUrl, readerUrl }: DatabaseAddresses) => ({
  owner: roleOf('DATABASE_OWNER_URL', ownerUrl),
  writer: writerUrl === undefined ? undefined : roleOf('DATABASE_WRITER_URL', writerUrl),
  reader: readerUrl === undefined ? undefined : roleOf('DATABASE_READER_URL', readerUrl),
})

type Roles = ReturnType<typeof rolesOf>

const name = (text: string): string => pg.escapeIdentifier(text)
const literal = (text: string): string => pg.escapeLiteral(text)

/** Timeout of a wait for a lock, ms. */
const STATEMENT_MS = 60_000

const inOneTransaction = async <T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> => {
  const client = new pg.Client({
    ...connectionTo(url),
    query_timeout: STATEMENT_MS,
    application_name: 'weir-db',
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query('BEGIN')
    // Services keep writing. A long wait for their locks would make every later statement queue behind it.
    await client.query(`SET LOCAL lock_timeout = ${LOCK_MS_MAX}`)
    const result = await work(client)
    await client.query('COMMIT')
    return result
  } finally {
    await client.end().catch(() => undefined)
  }
}

/**
 * Creates the roles, gives existing tables to their owner, migrates them and grants what each role needs. It can be
 * repeated, and services may run meanwhile. Rejects with the error of PostgreSQL.
 */
export const prepareDatabase = async (addresses: DatabaseAddresses): Promise<PreparedDatabase> => {
  const { adminUrl, ownerUrl } = addresses
  const roles = rolesOf(addresses)
  const handedOver =
    adminUrl === undefined ? [] : await inOneTransaction(adminUrl, (client) => makeRoles(client, roles))
  const migrations = await migrate(ownerUrl)
  await inOneTransaction(ownerUrl, (client) => grant(client, roles))
  return { migrations, handedOver }
}

/** Attributes that no role of Weir has. */
const ATTRIBUTES = 'LOGIN NOCREATEDB NOCREATEROLE'

/** Large objects are in no schema, so only the right to call these functions keeps a role from creating them. */
const CREATES_LARGE_OBJECTS = ['lo_creat(integer)', 'lo_create(oid)', 'lo_from_bytea(oid, bytea)'].map(
  (signature) => `pg_catalog.${signature}`,
)

const makeRoles = async (client: pg.Client, roles: Roles): Promise<readonly string[]> => {
  const { rows } = await client.query<{
    database: string
    schema: string
    is_superuser: boolean
    user: string
  }>(
    `SELECT current_database() AS database, current_schema() AS schema, current_user AS user,
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS is_superuser`,
  )
  const { database, schema, is_superuser: isSuperuser, user } = rows[0]!
  for (const role of [roles.owner, roles.writer, roles.reader]) {
    if (role === undefined) continue
    if (role.name === user) {
      throw new ProcessorError(
        `the role ${user} of DATABASE_ADMIN_URL cannot be a role of Weir too: give that another name`,
      )
    }
    const there = await client.query('SELECT FROM pg_roles WHERE rolname = $1', [role.name])
    const verb = there.rowCount === 0 ? 'CREATE' : 'ALTER'
    const attributes = isSuperuser ? `${ATTRIBUTES} NOSUPERUSER NOREPLICATION NOBYPASSRLS` : ATTRIBUTES
    const password = literal(scramVerifier(role.password))
    await client.query(`${verb} ROLE ${name(role.name)} WITH ${attributes} PASSWORD ${password}`)
    await client.query(`GRANT CONNECT ON DATABASE ${name(database)} TO ${name(role.name)}`)
    await client.query(`GRANT USAGE ON SCHEMA ${name(schema)} TO ${name(role.name)}`)
  }
  const owner = name(roles.owner.name)
  await client.query(`GRANT CREATE ON SCHEMA ${name(schema)} TO ${owner}`)
  // Every role is a member of PUBLIC. Whoever does not own the database or schema gets a warning, and nothing changes.
  await client.query(`REVOKE CREATE, TEMPORARY ON DATABASE ${name(database)} FROM PUBLIC`)
  await client.query(`REVOKE CREATE ON SCHEMA ${name(schema)} FROM PUBLIC`)
  if (isSuperuser) {
    await client.query(`REVOKE EXECUTE ON FUNCTION ${CREATES_LARGE_OBJECTS.join(', ')} FROM PUBLIC`)
  }
  // Only a superuser can give a table to a role of which it is not a member.
  if (!isSuperuser) await client.query(`GRANT ${owner} TO CURRENT_USER`)
  const tables = await client.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class
     WHERE ${OUR_TABLES} AND relowner <> (SELECT oid FROM pg_roles WHERE rolname = $2) ORDER BY relname`,
    [OUR_NAMES, roles.owner.name],
  )
  for (const table of tables.rows) await client.query(`ALTER TABLE ${name(table.name)} OWNER TO ${owner}`)
  return tables.rows.map((table) => table.name)
}

const grant = async (client: pg.Client, { writer, reader }: Roles): Promise<void> => {
  const { rows } = await client.query<{ table: string }>(
    `SELECT relname AS table FROM pg_class
     WHERE ${OUR_TABLES} AND relowner = (SELECT oid FROM pg_roles WHERE rolname = current_user)`,
    [OUR_NAMES],
  )
  for (const { table } of rows) {
    const rights = ONLY_READ.includes(table) ? ['SELECT'] : ['SELECT', 'INSERT', updateOf(table)]
    if (DELETED_FROM.includes(table)) rights.push('DELETE')
    if (writer !== undefined) await setRights(client, table, writer, rights)
    if (reader !== undefined) await setRights(client, table, reader, ['SELECT'])
  }
}

const updateOf = (table: string): string =>
  table === 'events' ? `UPDATE (${FILLED_COLUMNS.join(', ')})` : 'UPDATE'

/** Revokes earlier grants first. */
const setRights = async (
  client: pg.Client,
  table: string,
  role: Role,
  rights: readonly string[],
): Promise<void> => {
  await client.query(`REVOKE ALL ON ${name(table)} FROM ${name(role.name)}`)
  await client.query(`GRANT ${rights.join(', ')} ON ${name(table)} TO ${name(role.name)}`)
}
