import { findPgBouncer, isolatedDatabase, startPgBouncer, type PgBouncer } from '@weir/testkit'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SinkFaultError } from '@weir/row-sink'
import { migrate } from './migrate.ts'
import { PostgresSink } from './postgres-sink.ts'
import { rowEvent } from '@weir/row-sink/testing'
import { RowFiller } from './row-filler.ts'

const program = await findPgBouncer()
if (typeof program === 'string') process.stderr.write(`Weir behind PgBouncer is not tested: ${program}\n`)

describe.skipIf(typeof program === 'string')('behind PgBouncer in transaction mode', () => {
  let pooler: PgBouncer
  let direct: string
  beforeAll(async () => {
    direct = await isolatedDatabase('pooled')
    pooler = await startPgBouncer(direct, program as Exclude<typeof program, string>)
  })
  afterAll(() => pooler.stop())

  const sinkOf = (statementTimeoutMs = 10_000) =>
    new PostgresSink({ databaseUrl: pooler.databaseUrl, poolMax: 4, statementTimeoutMs })

  const locks = async () => {
    const client = new pg.Client({ connectionString: direct })
    await client.connect()
    // Other tests hold locks in other databases of the server.
    const { rows } = await client.query<object>(
      `SELECT 1 FROM pg_locks JOIN pg_database d ON d.oid = database
       WHERE locktype = 'advisory' AND datname = current_database()`,
    )
    await client.end()
    return rows
  }

  it('migrates once when several instances start together, and leaves no lock behind', async () => {
    const done = await Promise.all([1, 2, 3].map(() => migrate(pooler.databaseUrl)))
    expect(done.flat().sort()).toEqual([...new Set(done.flat())].sort())
    expect(done.flat().length).toBeGreaterThan(0)
    expect(await migrate(pooler.databaseUrl)).toEqual([])
    expect(await locks()).toEqual([])
  })

  it('writes rows of many connections over one session, and finds repeats and conflicts', async () => {
    const sink = sinkOf()
    const batches = Array.from({ length: 20 }, (_, batch) => [
      rowEvent(`a-${batch}`),
      rowEvent(`b-${batch % 5}`),
    ])
    const results = await Promise.all(batches.map((batch) => sink.write(batch)))
    expect(new Set(results.flat().map(({ kind }) => kind))).toEqual(new Set(['stored']))
    const other = rowEvent('a-1', { bodyHash: Buffer.alloc(8, 2) })
    expect(await sink.write([other, rowEvent('c')])).toMatchObject([{ kind: 'conflict' }, { kind: 'stored' }])
    // A refused row leaves the session usable for the next client.
    const refused = rowEvent('d', { receivedAt: Number.NaN })
    expect(await sink.write([refused, rowEvent('e')])).toMatchObject([
      { kind: 'rejected' },
      { kind: 'stored' },
    ])
    await sink.close()
  })

  it('fills rows, and leaves no lock behind', async () => {
    const filler = new RowFiller({ databaseUrl: pooler.databaseUrl, statementTimeoutMs: 10_000 })
    const gaps = [{ source: 'cxone', eventType: 't', fingerprint: 'v', number: 1, missing: ['new'] }]
    expect(await filler.fillRecent(gaps, 60_000)).toBeGreaterThan(0)
    expect(await filler.alone('cxone', () => Promise.resolve('ran'))).toBe('ran')
    expect(await locks()).toEqual([])
    await filler.close()
  })

  it('cancels a statement that takes too long, and leaves its timeout to no other session', async () => {
    const blocker = new pg.Client({ connectionString: direct })
    await blocker.connect()
    await blocker.query('BEGIN; LOCK TABLE events IN ACCESS EXCLUSIVE MODE')
    const sink = sinkOf(300)
    await expect(sink.write([rowEvent('late')])).rejects.toThrow(/is unavailable/)
    await blocker.query('ROLLBACK')
    expect(await sink.write([rowEvent('late')])).toEqual([{ kind: 'stored' }])
    await sink.close()
    const after = new pg.Client({ connectionString: pooler.databaseUrl })
    await after.connect()
    expect((await after.query('SHOW statement_timeout')).rows).toEqual([{ statement_timeout: '0' }])
    expect((await after.query('SHOW lock_timeout')).rows).toEqual([{ lock_timeout: '0' }])
    await after.end()
    await blocker.end()
  })

  it.each([
    ['a wrong password', (url: URL) => (url.password = 'wrong'), /the password of DATABASE_URL/],
    ['an unknown user', (url: URL) => (url.username = 'nobody'), /the user or the password of DATABASE_URL/],
    ['an unknown database', (url: URL) => (url.pathname = '/no_such'), /the database of DATABASE_URL/],
    [
      'a start-up parameter that it does not take',
      (url: URL) => (url.search = '?options=-c%20search_path%3Dweir'),
      /take the parameter out of DATABASE_URL/,
    ],
  ])('%s is one message that names the setting', async (_, change, remedy) => {
    const url = new URL(pooler.databaseUrl)
    change(url)
    const refused = migrate(url.href)
    await expect(refused).rejects.toThrow(SinkFaultError)
    await expect(refused).rejects.toThrow(remedy)
    await expect(refused).rejects.not.toThrow(/wrong\b.*@|is unavailable/)
  })
})
