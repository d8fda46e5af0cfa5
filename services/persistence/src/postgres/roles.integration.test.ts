import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { dropDatabase, isolatedDatabase, testServers } from '@weir/testkit'
import fc from 'fast-check'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { migrate } from './migrate.ts'
import { prepareDatabase } from './roles.ts'

const MIGRATIONS = readdirSync(new URL('migrations/', import.meta.url)).sort()
const id = randomBytes(4).toString('hex')
const databases: string[] = []
const roles = new Set<string>()
let server: pg.Client

beforeAll(async () => {
  server = new pg.Client({ connectionString: testServers().databaseUrl })
  await server.connect()
})

afterAll(async () => {
  for (const database of databases) await dropDatabase(database)
  for (const role of roles) await server.query(`DROP ROLE IF EXISTS ${pg.escapeIdentifier(role)}`)
  await server.end()
})

const newDatabase = async (): Promise<string> => {
  const database = await isolatedDatabase('roles')
  databases.push(database)
  return database
}

const addressOf = (adminUrl: string, role: string, password: string): string => {
  roles.add(role)
  const url = new URL(adminUrl)
  url.username = encodeURIComponent(role)
  url.password = encodeURIComponent(password)
  return url.href
}

const addresses = (adminUrl: string, suffix = '') => ({
  adminUrl,
  ownerUrl: addressOf(adminUrl, `owner_${id}${suffix}`, 'o'),
  writerUrl: addressOf(adminUrl, `writer_${id}${suffix}`, 'w'),
  readerUrl: addressOf(adminUrl, `reader_${id}${suffix}`, 'r'),
})

/** The SQLSTATE of the refusal, or `done`. */
const tryAs = async (url: string, sql: string): Promise<string> => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(sql)
    return 'done'
  } catch (error) {
    return (error as pg.DatabaseError).code ?? 'no code'
  } finally {
    await client.end()
  }
}

const DENIED = '42501'
const ADD_ROW = `INSERT INTO events (event_key, source, event_type, interaction_id, received_at, processed_at,
  schema_version, attributes, parts_missing, body_hash, payload, payload_sanitised, raw)
  VALUES (decode(md5(random()::text), 'hex'), 's', 't', 'i', now(), now(), 'v', '{}', '{}', '\\x00', '{}', false, '\\x00')`

it('gives each role the rights that its work needs, and no more', async () => {
  const all = addresses(await newDatabase())
  const { ownerUrl, writerUrl, readerUrl } = all
  expect(await prepareDatabase(all)).toEqual({ migrations: MIGRATIONS, handedOver: [] })
  const wanted: readonly (readonly [sql: string, writer: string, reader: string])[] = [
    [ADD_ROW, 'done', DENIED],
    ['SELECT raw FROM events', 'done', 'done'],
    ["UPDATE events SET attributes = '{}', schema_version_number = 1", 'done', DENIED],
    ["UPDATE events SET raw = 'x'", DENIED, DENIED],
    ['UPDATE events SET stored_at = now()', DENIED, DENIED],
    ["UPDATE interactions SET channel = 'x'", 'done', DENIED],
    ['SELECT FROM events FOR UPDATE', 'done', DENIED],
    ['DELETE FROM events', DENIED, DENIED],
    ['TRUNCATE events', DENIED, DENIED],
    ['DELETE FROM weir_backfills', 'done', DENIED],
    ['SELECT FROM weir_holds', 'done', 'done'],
    [
      "INSERT INTO weir_holds (customer_identifier, placed_by, reason) VALUES ('c', 'b', 'r')",
      DENIED,
      DENIED,
    ],
    ['DELETE FROM weir_holds', DENIED, DENIED],
    ["UPDATE weir_holds SET released_at = now(), released_by = 'b'", DENIED, DENIED],
    ['UPDATE weir_retention_receipts SET events = 0', DENIED, DENIED],
    ['DELETE FROM weir_retention_runs', DENIED, DENIED],
    ["INSERT INTO weir_migrations (name) VALUES ('9999-other.sql')", DENIED, DENIED],
    ['ALTER TABLE events ADD COLUMN x text', DENIED, DENIED],
    // In a transaction, because PostgreSQL refuses the statement outside of one for every role.
    ['BEGIN; LOCK TABLE events IN ACCESS EXCLUSIVE MODE', DENIED, DENIED],
    ['BEGIN; LOCK TABLE events IN SHARE MODE', DENIED, DENIED],
    ['BEGIN; LOCK TABLE events IN ROW EXCLUSIVE MODE', 'done', DENIED],
    ['CREATE TABLE mine (a text)', DENIED, DENIED],
    ['CREATE TEMP TABLE mine (a text)', DENIED, DENIED],
    ['CREATE SCHEMA mine', DENIED, DENIED],
    ['SELECT lo_create(0)', DENIED, DENIED],
    ['SELECT lo_creat(-1)', DENIED, DENIED],
    ["SELECT lo_from_bytea(0, 'x')", DENIED, DENIED],
    ["SELECT lo_import('/etc/passwd')", DENIED, DENIED],
    ["COPY (SELECT 1) TO PROGRAM 'cat'", DENIED, DENIED],
    ["COPY weir_backfills FROM PROGRAM 'env'", DENIED, DENIED],
    ["COPY weir_backfills FROM '/etc/passwd'", DENIED, DENIED],
    ["SELECT pg_read_file('/etc/passwd')", DENIED, DENIED],
    ['CREATE ROLE other SUPERUSER', DENIED, DENIED],
    [`SET ROLE owner_${id}`, DENIED, DENIED],
  ]
  for (const [sql, writer, reader] of wanted) {
    expect([sql, await tryAs(writerUrl, sql), await tryAs(readerUrl, sql)]).toEqual([sql, writer, reader])
  }
  expect(await tryAs(ownerUrl, "COPY weir_backfills FROM PROGRAM 'env'")).toBe(DENIED)
  // As persistence does when it starts.
  expect(await migrate(writerUrl)).toEqual([])
  expect(await prepareDatabase(all)).toEqual({ migrations: [], handedOver: [] })
  expect(await prepareDatabase({ ...all, adminUrl: undefined })).toEqual({ migrations: [], handedOver: [] })
})

it('takes over tables that a superuser created, while the superuser still writes', async () => {
  const adminUrl = await newDatabase()
  await migrate(adminUrl)
  await tryAs(adminUrl, 'CREATE TABLE not_of_weir (a text)')
  expect(await tryAs(adminUrl, ADD_ROW)).toBe('done')
  const all = addresses(adminUrl, '_later')
  const { handedOver, migrations } = await prepareDatabase(all)
  expect([migrations, handedOver]).toEqual([
    [],
    [
      'events',
      'interactions',
      'weir_backfills',
      'weir_holds',
      'weir_migrations',
      'weir_retention_receipts',
      'weir_retention_runs',
    ],
  ])
  expect(await tryAs(adminUrl, ADD_ROW)).toBe('done')
  expect(await tryAs(all.writerUrl, ADD_ROW)).toBe('done')
  const reader = new pg.Client({ connectionString: all.readerUrl })
  await reader.connect()
  const { rows } = await reader.query<{ count: number }>('SELECT count(*)::int AS count FROM events')
  await reader.end()
  expect(rows[0]!.count).toBe(3)
  expect(await tryAs(all.readerUrl, 'SELECT FROM not_of_weir')).toBe(DENIED)
})

it('names the command to run when tables are missing and the role may not create them', async () => {
  const all = addresses(await newDatabase(), '_early')
  await server.query(`CREATE ROLE writer_${id}_early LOGIN PASSWORD 'w'`)
  await expect(migrate(all.writerUrl)).rejects.toThrow(/weir db migrate/)
})

it('accepts any role name and any ASCII password, and never shows a password', async () => {
  const adminUrl = await newDatabase()
  const [ours] = [addresses(adminUrl, '_names')]
  await prepareDatabase(ours)
  const text = fc.string({
    unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
    minLength: 1,
    maxLength: 30,
  })
  await fc.assert(
    fc.asyncProperty(text, text, async (name, password) => {
      const readerUrl = addressOf(adminUrl, `r_${id}_${name}`, password)
      await prepareDatabase({ ...ours, readerUrl })
      expect(await tryAs(readerUrl, 'SELECT FROM events')).toBe('done')
      expect(await tryAs(readerUrl, ADD_ROW)).toBe(DENIED)
    }),
    { numRuns: 8 },
  )
  const canary = `canary ${randomBytes(4).toString('hex')} ü`
  const failure = prepareDatabase({ ...ours, readerUrl: addressOf(adminUrl, 'x', canary) })
  await expect(failure).rejects.toThrow('DATABASE_READER_URL')
  await expect(failure).rejects.not.toThrow(/canary/)
})
