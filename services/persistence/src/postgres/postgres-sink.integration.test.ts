import { OPAQUE_SHAPE, type InteractionEvent } from '@weir/contracts'
import { isolatedDatabase } from '@weir/testkit'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { SinkUnavailableError, type RowEvent } from '../row-sink.ts'
import { rowEvent } from '../testing/row-event.ts'
import { migrate } from './migrate.ts'
import { PostgresSink } from './postgres-sink.ts'

let databaseUrl: string
let client: pg.Client
let sink: PostgresSink

beforeAll(async () => {
  databaseUrl = await isolatedDatabase('sink')
  await Promise.all([migrate(databaseUrl), migrate(databaseUrl), migrate(databaseUrl)])
  client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  sink = new PostgresSink({ databaseUrl, poolMax: 2, statementTimeoutMs: 10_000 })
})

afterAll(async () => {
  await sink.close()
  await client.end()
})

const event = (id: string, changes: Partial<RowEvent> = {}): RowEvent =>
  rowEvent(id, {
    interactionId: 'i',
    channel: 'voice',
    partsMissing: ['queue', 'skill'],
    raw: Buffer.from('{"a":1}'),
    ...changes,
  })

const keyOf = ({ eventKey }: InteractionEvent) => Buffer.from(eventKey, 'hex')
const countOf = async (events: readonly InteractionEvent[]): Promise<number> => {
  const { rows } = await client.query<{ count: string }>(
    'SELECT count(*) FROM events WHERE event_key = ANY($1::bytea[])',
    [events.map(keyOf)],
  )
  return Number(rows[0]!.count)
}

it('S0-07 writes each event once, however often the batch comes', async () => {
  const events = Array.from({ length: 50 }, (_, i) => event(`once-${i}`))
  for (const batch of [events.slice(0, 30), events, [...events, ...events]]) {
    expect(await sink.write(batch)).toEqual(batch.map(() => ({ kind: 'stored' })))
  }
  expect(await countOf(events)).toBe(50)
})

it('tells a repeat from a conflict, also within a batch', async () => {
  const first = event('conflict')
  const other = { ...first, bodyHash: Buffer.alloc(8, 2) }
  expect(await sink.write([first, other, first])).toEqual([
    { kind: 'stored' },
    { kind: 'conflict', first: '0101010101010101' },
    { kind: 'stored' },
  ])
})

it('S0-07 never lets an older sequence replace a newer one', async () => {
  const at = (sequence: number) =>
    event(`sequence-${sequence}`, {
      interactionId: 'ordered',
      sequence: BigInt(sequence),
      eventType: `type-${sequence}`,
    })
  const latest = async () => {
    const { rows } = await client.query<{ event_type: string }>(
      `SELECT event_type FROM interactions WHERE interaction_id = 'ordered'`,
    )
    return rows.map((row) => row.event_type)
  }
  await sink.write([at(2), at(4), at(3)])
  expect(await latest()).toEqual(['type-4'])
  await sink.write([at(1)])
  expect(await latest()).toEqual(['type-4'])
  await sink.write([at(5)])
  await sink.write([at(4)])
  expect(await latest()).toEqual(['type-5'])
})

it('keeps the exact bytes, with NUL and lone surrogates', async () => {
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

it('takes the later of two times that differ below a millisecond', async () => {
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

it('keeps attributes as JSON, with every digit, and numbers beyond a numeric as their text', async () => {
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

it('keeps a body that is not JSON as bytes, and as a text in the payload', async () => {
  const raw = Buffer.from('<a>\xff\0"</a>', 'latin1')
  const one = event('opaque', { raw, schemaVersion: OPAQUE_SHAPE })
  expect(await sink.write([one])).toEqual([{ kind: 'stored' }])
  const { rows } = await client.query<Record<string, unknown>>(
    'SELECT raw, payload, payload_sanitised FROM events WHERE event_key = $1',
    [keyOf(one)],
  )
  expect(rows[0]).toEqual({ raw, payload: '<a>\uFFFD\uFFFD"</a>', payload_sanitised: true })
})

it('S3-05 finds the one row that the database refuses, and stores the others', async () => {
  const bad = event('bad', { eventKey: 'ab' })
  const good = Array.from({ length: 6 }, (_, i) => event(`beside-${i}`))
  const results = await sink.write([...good.slice(0, 4), bad, ...good.slice(4)])
  expect(results.map(({ kind }) => kind)).toEqual([
    'stored',
    'stored',
    'stored',
    'stored',
    'rejected',
    'stored',
    'stored',
  ])
  expect(await countOf(good)).toBe(6)
})

it('says that the database is away, not that a row is bad', async () => {
  const away = new PostgresSink({
    databaseUrl: 'postgres://x:y@127.0.0.1:1/z',
    poolMax: 1,
    statementTimeoutMs: 500,
  })
  await expect(away.write([event('away')])).rejects.toThrow(SinkUnavailableError)
  await away.close()
})

it('refuses a database that a newer version has changed, and changes nothing in it', async () => {
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
