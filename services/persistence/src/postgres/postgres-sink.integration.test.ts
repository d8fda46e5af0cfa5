import { OPAQUE_SHAPE, type InteractionEvent } from '@weir/contracts'
import { SinkUnavailableError, type RowEvent, type RowSink } from '@weir/row-sink'
import { ROW_SINK_CASES, rowEvent } from '@weir/row-sink/testing'
import { isolatedDatabase } from '@weir/testkit'
import type pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openPostgresRows } from '../testing/postgres-rows.ts'
import { migrate } from './migrate.ts'

let databaseUrl: string
let store: Awaited<ReturnType<typeof openPostgresRows>>
let client: pg.Client
let sink: RowSink

beforeAll(async () => {
  databaseUrl = await isolatedDatabase('sink')
  await Promise.all([migrate(databaseUrl), migrate(databaseUrl), migrate(databaseUrl)])
  store = await openPostgresRows(databaseUrl)
  client = store.client
  sink = store.openSink()
})

afterAll(async () => {
  await sink.close()
  await store.close()
})

it.each(ROW_SINK_CASES)('S0-07 S3-05 PostgreSQL $name', ({ name, check }) => check(store, name))

const event = (id: string, changes: Partial<RowEvent> = {}): RowEvent =>
  rowEvent(id, {
    interactionId: 'i',
    channel: 'voice',
    partsMissing: ['queue', 'skill'],
    raw: Buffer.from('{"a":1}'),
    ...changes,
  })

const keyOf = ({ eventKey }: InteractionEvent) => Buffer.from(eventKey, 'hex')

it('keeps the exact bytes of NUL and lone surrogates, and replaces both in text and jsonb', async () => {
  const raw = Buffer.from('{"nul":"a\\u0000b","lone":"\\ud800","fine":"\\u00e9"}')
  const one = event('nul', { raw, message: 'a\0b\ud800', attributes: { nul: '"a\\u0000b"' } })
  expect(await sink.write([one])).toEqual([{ kind: 'stored' }])
  const { rows } = await client.query<Record<string, unknown>>(
    'SELECT raw, payload, payload_sanitised, message, parts_missing FROM events WHERE event_key = $1',
    [keyOf(one)],
  )
  expect(rows[0]).toEqual({
    raw,
    message: 'a\uFFFDb\uFFFD',
    payload_sanitised: true,
    parts_missing: ['queue', 'skill'],
    payload: { nul: 'a\uFFFDb', lone: '\uFFFD', fine: 'é' },
  })
})

it('takes the later of two times that differ by less than a millisecond', async () => {
  const at = (fraction: string, nanos: number) =>
    event(`at-${fraction}`, {
      interactionId: 'fractions',
      occurredAt: Date.UTC(2024, 4, 11, 12, 0, 0, 123),
      occurredAtNanos: nanos,
      occurredAtOriginal: `2024-05-11T12:00:00.${fraction}Z`,
    })
  for (const one of [at('1239999', 999_900), at('1231111', 111_100), at('1239998', 999_800)]) {
    await sink.write([one])
  }
  const { rows } = await client.query<Record<string, unknown>>(
    `SELECT i.occurred_at::text, i.occurred_at_nanos, e.occurred_at_original
     FROM interactions i JOIN events e USING (event_key) WHERE i.interaction_id = 'fractions'`,
  )
  expect(rows).toEqual([
    {
      occurred_at: expect.stringMatching(/:00\.123999\+/) as unknown,
      occurred_at_nanos: 999_900,
      occurred_at_original: '2024-05-11T12:00:00.1239999Z',
    },
  ])
})

it('keeps attributes as JSON with every digit, and numbers that numeric cannot hold as strings', async () => {
  const raw = Buffer.from('{"n":0e99999999999,"m":10.00,"id":1524831183200260097,"s":"1e999999"}')
  const one = event('exact', {
    raw,
    attributes: { action: '"opened"', id: '1524831183200260097', nested: '{"a":[1.50]}', gone: 'null' },
  })
  expect(await sink.write([one])).toEqual([{ kind: 'stored' }])
  const { rows } = await client.query<Record<string, unknown>>(
    `SELECT attributes->>'action' AS action, attributes->'nested'->'a'->>0 AS nested, attributes->>'id' AS id,
       jsonb_typeof(attributes->'gone') AS gone, payload::text, payload_sanitised FROM events WHERE event_key = $1`,
    [keyOf(one)],
  )
  expect(rows[0]).toEqual({
    action: 'opened',
    nested: '1.50',
    id: '1524831183200260097',
    gone: 'null',
    payload_sanitised: true,
    payload: '{"m": 10.00, "n": "0e99999999999", "s": "1e999999", "id": 1524831183200260097}',
  })
})

it('keeps a body that is not JSON as bytes, and as a string in the payload', async () => {
  const raw = Buffer.from('<a>\xff\0"</a>', 'latin1')
  const one = event('opaque', { raw, schemaVersion: OPAQUE_SHAPE })
  expect(await sink.write([one])).toEqual([{ kind: 'stored' }])
  const { rows } = await client.query<Record<string, unknown>>(
    'SELECT raw, payload, payload_sanitised FROM events WHERE event_key = $1',
    [keyOf(one)],
  )
  expect(rows[0]).toEqual({ raw, payload: '<a>\uFFFD\uFFFD"</a>', payload_sanitised: true })
})

it('refuses a database that a newer version has migrated, and does not change it', async () => {
  const name = '9999-of-a-newer-version.sql'
  await client.query('INSERT INTO weir_migrations (name) VALUES ($1)', [name])
  try {
    const refusal = await migrate(databaseUrl).catch((error: unknown) => error)
    expect(refusal).not.toBeInstanceOf(SinkUnavailableError)
    expect((refusal as Error).message).toContain(`a newer version of Weir (it has ${name})`)
  } finally {
    await client.query('DELETE FROM weir_migrations WHERE name = $1', [name])
  }
})
