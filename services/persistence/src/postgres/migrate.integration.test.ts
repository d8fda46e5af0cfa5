import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { isolatedDatabase } from '@weir/testkit'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { migrate } from './migrate.ts'

const MIGRATIONS = readdirSync(new URL('migrations/', import.meta.url)).sort()
let databaseUrl: string
let client: pg.Client

beforeAll(async () => {
  databaseUrl = await isolatedDatabase('migrate')
  client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
})

afterAll(async () => {
  await client.end()
})

it('needs only the right to create tables in its schema', async () => {
  const role = `test_strict_${randomBytes(4).toString('hex')}`
  const url = new URL(await isolatedDatabase('strict'))
  const owner = new pg.Client({ connectionString: url.href })
  await owner.connect()
  try {
    await owner.query(`CREATE ROLE ${role} LOGIN PASSWORD '${role}'`)
    await owner.query(`REVOKE ALL ON DATABASE ${url.pathname.slice(1)} FROM PUBLIC`)
    await owner.query(`GRANT CONNECT ON DATABASE ${url.pathname.slice(1)} TO ${role}`)
    await owner.query(`GRANT USAGE, CREATE ON SCHEMA public TO ${role}`)
    url.username = url.password = role
    expect(await migrate(url.href)).toEqual(MIGRATIONS)
    await owner.query(`DROP OWNED BY ${role}`)
    await owner.query(`DROP ROLE ${role}`)
  } finally {
    await owner.end()
  }
})

it('converts attributes of older rows to JSON, except values that jsonb refuses', async () => {
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
