import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { testServers } from '@weir/testkit'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { migrate } from './migrate.ts'

const MIGRATIONS = readdirSync(new URL('migrations/', import.meta.url)).sort()
const database = `test_migrate_${randomBytes(4).toString('hex')}`
const serverUrl = testServers().databaseUrl
const databaseUrl = serverUrl.replace(/[^/]*$/, database)
let server: pg.Client
let client: pg.Client

beforeAll(async () => {
  server = new pg.Client({ connectionString: serverUrl })
  await server.connect()
  await server.query(`CREATE DATABASE ${database}`)
  client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
})

afterAll(async () => {
  await client.end()
  await server.query(`DROP DATABASE ${database}`)
  await server.end()
})

it('needs no right but that to make tables in its schema', async () => {
  const strict = `${database}_strict`
  await server.query(`CREATE ROLE ${strict} LOGIN PASSWORD '${strict}'`)
  await server.query(`CREATE DATABASE ${strict}`)
  try {
    await server.query(`REVOKE ALL ON DATABASE ${strict} FROM PUBLIC`)
    await server.query(`GRANT CONNECT ON DATABASE ${strict} TO ${strict}`)
    const strictUrl = new URL(serverUrl.replace(/[^/]*$/, strict))
    const owner = new pg.Client({ connectionString: strictUrl.href })
    await owner.connect()
    await owner.query(`GRANT USAGE, CREATE ON SCHEMA public TO ${strict}`)
    await owner.end()
    strictUrl.username = strictUrl.password = strict
    expect(await migrate(strictUrl.href)).toEqual(MIGRATIONS)
  } finally {
    await server.query(`DROP DATABASE ${strict}`)
    await server.query(`DROP ROLE ${strict}`)
  }
})

it('makes JSON of the attributes of older rows, and leaves what jsonb does not take', async () => {
  await client.query('CREATE TABLE weir_migrations (name text PRIMARY KEY, at timestamptz DEFAULT now())')
  for (const name of ['0001-events.sql', '0002-fix-up.sql']) {
    await client.query(readFileSync(new URL(`migrations/${name}`, import.meta.url), 'utf8'))
    await client.query('INSERT INTO weir_migrations (name) VALUES ($1)', [name])
  }
  const older = { action: '"opened"', nested: '{"a":[1.50]}', gone: null, nul: String.raw`"a\u0000"` }
  await client.query(
    `INSERT INTO events (event_key, source, event_type, interaction_id, received_at, processed_at, schema_version,
       attributes, parts_missing, body_hash, payload, payload_sanitised, raw)
     VALUES ($1, 's', 't', 'i', now(), now(), 'v', $2, '{}', $3, '{}', false, $3)`,
    [Buffer.alloc(16), JSON.stringify(older), Buffer.alloc(8)],
  )
  expect(await migrate(databaseUrl)).toEqual(MIGRATIONS.slice(2))
  const { rows } = await client.query<{ attributes: unknown }>('SELECT attributes FROM events')
  expect(rows[0]?.attributes).toEqual({ action: 'opened', nested: { a: [1.5] }, gone: null, nul: older.nul })
})
