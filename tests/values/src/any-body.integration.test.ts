import { randomBytes } from 'node:crypto'
import { isolatedDatabase } from '@weir/testkit'
import fc from 'fast-check'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { migrate } from '../../../services/persistence/src/postgres/migrate.ts'
import { PostgresSink } from '../../../services/persistence/src/postgres/postgres-sink.ts'
import { deliveries, type Delivery } from './bodies.ts'
import { openStages, type Stages } from './stages.ts'

let databaseUrl: string
let client: pg.Client
let sink: PostgresSink
let stages: Stages

beforeAll(async () => {
  databaseUrl = await isolatedDatabase('values')
  await migrate(databaseUrl)
  client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  sink = new PostgresSink({ databaseUrl, poolMax: 1, statementTimeoutMs: 30_000 })
  stages = await openStages(sink)
})

afterAll(async () => {
  stages.close()
  await sink.close()
  await client.end()
})

const rowOf = async (body: string) => {
  const { rows } = await client.query<Record<string, unknown>>(
    'SELECT sequence, occurred_at, occurred_at_original, payload_sanitised FROM events WHERE raw = $1',
    [Buffer.from(body)],
  )
  return rows[0]
}

it('turns every accepted delivery into one row or one dead letter in PostgreSQL', async () => {
  const seen = { row: 0, letter: 0 }
  await fc.assert(
    fc.asyncProperty(
      fc.array(deliveries(stages.sources), { minLength: 10, maxLength: 60 }),
      async (all: readonly Delivery[]) => {
        const ends = await stages.run(all)
        expect(ends.filter(Boolean)).toHaveLength(all.length)
        for (const [at, { body }] of all.entries()) {
          seen[ends[at]!.kind] += 1
          if (ends[at]!.kind === 'row') expect(await rowOf(body.toString())).toBeDefined()
        }
      },
    ),
    { numRuns: 40 },
  )
  expect(seen.row).toBeGreaterThan(200)
  expect(seen.letter).toBeGreaterThan(100)
}, 180_000)

it('stores a sequence number of 64 bits, and no time outside the calendar', async () => {
  const event = (more: string) =>
    `{"interactionId":"x","eventType":"${randomBytes(4).toString('hex')}",${more}}`
  const stored = async (more: string) => {
    const body = event(more)
    expect(await stages.run([{ source: 'cxone', headers: {}, body }])).toEqual([{ kind: 'row' }])
    return rowOf(body)
  }
  expect(await stored('"sequenceNumber":9007199254740991')).toMatchObject({ sequence: '9007199254740991' })
  expect(await stored('"sequenceNumber":9223372036854775807')).toMatchObject({
    sequence: '9223372036854775807',
  })
  const original = '9999-12-31T23:59:59.9999999-05:00'
  expect(await stored(`"timestamp":"${original}"`)).toMatchObject({
    occurred_at: null,
    occurred_at_original: original,
  })
})
