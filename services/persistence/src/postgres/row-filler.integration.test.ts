import { isolatedDatabase } from '@weir/testkit'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { backfill } from '../backfill.ts'
import type { RowEvent, ShapeGaps } from '@weir/row-sink'
import { rowEvent } from '@weir/row-sink/testing'
import { migrate } from './migrate.ts'
import { PostgresSink } from './postgres-sink.ts'
import { RowFiller } from './row-filler.ts'

let databaseUrl: string
let client: pg.Client
let sink: PostgresSink
let filler: RowFiller

beforeAll(async () => {
  databaseUrl = await isolatedDatabase('filler')
  await migrate(databaseUrl)
  client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  sink = new PostgresSink({ databaseUrl, poolMax: 2, statementTimeoutMs: 10_000 })
  filler = new RowFiller({ databaseUrl, statementTimeoutMs: 10_000 })
})
beforeEach(() => client.query('TRUNCATE events, interactions, weir_backfills'))
afterAll(async () => {
  await filler.close()
  await sink.close()
  await client.end()
})

const SOURCE = 'cxone-dataaction'
const event = (id: string, changes: Partial<RowEvent> = {}): RowEvent =>
  rowEvent(id, { source: SOURCE, schemaVersion: 'first', ...changes })
const GAPS: readonly ShapeGaps[] = [
  { source: SOURCE, eventType: 't', fingerprint: 'first', number: 2, missing: ['new', 'nul\0name'] },
  { source: SOURCE, eventType: 't', fingerprint: 'second', number: 3, missing: [] },
]
const known = { refresh: () => Promise.resolve(), newestAt: () => 0, gaps: () => GAPS }
const rowsOf = async () => {
  const { rows } = await client.query<{ id: string; attributes: object; number: number | null }>(
    'SELECT interaction_id AS id, attributes, schema_version_number AS number FROM events ORDER BY 1',
  )
  return rows
}
const run = (isDryRun = false) =>
  backfill(known, filler, { source: SOURCE, isDryRun, ratePerSec: 100_000, wait: () => Promise.resolve() })

describe('S3 schema evolution', () => {
  it('S3-04 stores the number of the shape, and keeps existing values when it fills a row', async () => {
    await sink.write([
      event('a'),
      event('b', { attributes: { new: '"kept"' } }),
      event('c', { schemaVersion: 'second', schemaVersionNumber: 3 }),
      event('d', { eventType: 'another' }),
      event('e', { schemaVersion: 'not numbered' }),
    ])
    expect(await run(true)).toMatchObject({ kind: 'done', lookedAt: 5, filled: 2 })
    expect((await rowsOf()).map(({ number }) => number)).toEqual([null, null, 3, null, null])
    expect(await run()).toMatchObject({ kind: 'done', lookedAt: 5, filled: 2 })
    const nul = { 'nul\ufffdname': null }
    expect(await rowsOf()).toEqual([
      { id: 'a', attributes: { new: null, ...nul }, number: 2 },
      { id: 'b', attributes: { new: 'kept', ...nul }, number: 2 },
      { id: 'c', attributes: {}, number: 3 },
      { id: 'd', attributes: {}, number: null },
      { id: 'e', attributes: {}, number: null },
    ])
    expect(await run()).toMatchObject({ filled: 0 })
    const { rows } = await client.query('SELECT * FROM weir_backfills')
    expect(rows).toEqual([])
  })

  it('S3-04 resumes an interrupted walk over many rows', async () => {
    await sink.write(Array.from({ length: 1_200 }, (_, i) => event(`i-${i}`)))
    const stopping = new AbortController()
    const cut = await backfill(known, filler, {
      source: SOURCE,
      isDryRun: false,
      ratePerSec: 100_000,
      signal: stopping.signal,
      onProgress: () => {
        stopping.abort()
      },
    })
    expect(cut).toEqual({ kind: 'stopped', lookedAt: 500, filled: 500 })
    expect(await run()).toEqual({ kind: 'done', lookedAt: 1_200, filled: 1_200 })
    expect((await rowsOf()).every(({ number }) => number === 2)).toBe(true)
  })

  it('S3-04 fills only recent rows', async () => {
    await sink.write([event('old'), event('new')])
    await client.query(
      `UPDATE events SET stored_at = stored_at - interval '1 hour' WHERE interaction_id = 'old'`,
    )
    expect(await filler.fillRecent(GAPS, 60_000)).toBe(1)
    expect((await rowsOf()).map(({ number }) => number)).toEqual([2, null])
  })

  it('runs one walk of a source at a time', async () => {
    const inner = await filler.alone(SOURCE, async () => [
      await filler.alone('another', () => Promise.resolve('runs')),
      await new RowFiller({ databaseUrl, statementTimeoutMs: 1_000 }).alone(SOURCE, () =>
        Promise.resolve('ran'),
      ),
    ])
    expect(inner).toEqual(['runs', undefined])
    expect(await filler.alone(SOURCE, () => Promise.resolve('again'))).toBe('again')
  })
})
