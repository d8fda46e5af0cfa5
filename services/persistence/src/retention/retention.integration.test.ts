import { isolatedDatabase } from '@weir/testkit'
import fc from 'fast-check'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { migrate } from '../postgres/migrate.ts'
import { PostgresSink } from '../postgres/postgres-sink.ts'
import { rowEvent } from '@weir/row-sink/testing'
import { Holds, type Subject } from './holds.ts'
import { Retention, type RetentionRun } from './retention.ts'
import { planRetention, runRetention, type RetentionOptions } from './run-retention.ts'

const DAY_SECS = 86_400
const AGE_SECS = 100 * DAY_SECS
const OPTIONS: RetentionOptions = { ageSecs: AGE_SECS, ratePerSec: 1e6, wait: () => Promise.resolve() }

let databaseUrl: string
let client: pg.Client
let sink: PostgresSink
let holds: Holds
let retention: Retention

const openRetention = () => new Retention({ databaseUrl, statementTimeoutMs: 20_000 })

beforeAll(async () => {
  databaseUrl = await isolatedDatabase('retention')
  await migrate(databaseUrl)
  client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  sink = new PostgresSink({ databaseUrl, poolMax: 4, statementTimeoutMs: 10_000 })
  holds = new Holds({ databaseUrl })
  retention = openRetention()
})
beforeEach(() => empty())
afterAll(async () => {
  await Promise.all([sink.close(), holds.close(), retention.close()])
  await client.end()
})

const empty = () =>
  client.query(
    'TRUNCATE events, interactions, weir_holds, weir_retention_runs, weir_retention_receipts RESTART IDENTITY',
  )

interface Given {
  readonly source: string
  readonly interaction: string
  readonly customer: string | null
  readonly sequence: number
  readonly ageDays: number
}

let written = 0
/** Stores an event as persistence does, and then gives it its age. */
const store = async ({ source, interaction, customer, sequence, ageDays }: Given): Promise<void> => {
  const event = rowEvent(`e-${(written += 1)}`, {
    source,
    interactionId: interaction,
    customerIdentifier: customer,
    sequence: BigInt(sequence),
  })
  await sink.write([event])
  await client.query(
    "UPDATE events SET stored_at = clock_timestamp() - $2 * interval '1 day' WHERE event_key = $1",
    [Buffer.from(event.eventKey, 'hex'), ageDays],
  )
}

interface Row {
  readonly key: string
  readonly source: string
  readonly interaction: string
  readonly customer: string | null
  readonly isOld: boolean
}
const rowsOf = async (): Promise<readonly Row[]> => {
  const { rows } = await client.query<Row>(
    `SELECT encode(event_key, 'hex') AS key, source, interaction_id AS interaction, customer_identifier AS customer,
       stored_at < clock_timestamp() - $1 * interval '1 second' AS "isOld" FROM events ORDER BY 1`,
    [AGE_SECS],
  )
  return rows
}
interface State {
  readonly subject: string
  readonly key: string
  readonly customer: string | null
}
const statesOf = async (): Promise<readonly State[]> => {
  const { rows } = await client.query<State>(
    `SELECT source || '|' || interaction_id AS subject, encode(event_key, 'hex') AS key,
       customer_identifier AS customer FROM interactions ORDER BY 1`,
  )
  return rows
}
const subjectOf = ({ source, interaction }: Row): string => `${source}|${interaction}`

/**
 * What must stay, said without SQL: young rows, held subjects, and the latest event of an interaction with a young one.
 */
const staying = (rows: readonly Row[], states: readonly State[], standing: readonly Subject[]) => {
  const isHeld = (row: Row): boolean =>
    standing.some((hold) => {
      if (hold.source !== undefined && hold.source !== row.source) return false
      if ('interactionId' in hold) return hold.interactionId === row.interaction
      const its = rows.filter((other) => subjectOf(other) === subjectOf(row))
      return (
        its.some(({ customer }) => customer === hold.customerIdentifier) ||
        states.some((state) => state.subject === subjectOf(row) && state.customer === hold.customerIdentifier)
      )
    })
  const isLatest = (row: Row): boolean =>
    states.some(({ key }) => key === row.key) &&
    rows.some((other) => !other.isOld && subjectOf(other) === subjectOf(row))
  return {
    kept: rows.filter((row) => !row.isOld || isHeld(row) || isLatest(row)).map(({ key }) => key),
    protected: rows.filter((row) => !row.isOld || isHeld(row)).map(({ key }) => key),
    held: rows.filter((row) => row.isOld && isHeld(row)).length,
  }
}

const finish = async (run: RetentionRun) => {
  expect(await runRetention(retention, run, OPTIONS)).toEqual({ isFinished: true })
}
const startRun = () => retention.start(AGE_SECS, 'ann@host')

const source = fc.constantFrom('cxone', 'nice')
const interaction = fc.constantFrom('i-1', 'i-2', 'i-3', 'i-4')
const customer = fc.constantFrom('+1555', 'a@example.com', 'b\0')
const given = fc.record({
  source,
  interaction,
  customer: fc.option(customer, { nil: null }),
  sequence: fc.integer({ min: 1, max: 5 }),
  ageDays: fc.constantFrom(0, 99, 101, 400),
})
const subject: fc.Arbitrary<Subject> = fc.oneof(
  fc.record({ source, interactionId: interaction }),
  fc.record({ source: fc.option(source, { nil: undefined }), customerIdentifier: customer }),
)
const step = fc.oneof(
  fc.record({ kind: fc.constant('batch' as const), limit: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ kind: fc.constant('kill' as const) }),
  fc.record({ kind: fc.constant('hold' as const), subject }),
  fc.record({ kind: fc.constant('store' as const), given }),
)

it('deletes nothing that is held or younger, and all else, whatever happens between two batches', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(given, { maxLength: 12 }),
      fc.array(step, { maxLength: 12 }),
      async (first, steps) => {
        await empty()
        for (const one of first) await store(one)
        const standing: Subject[] = []
        // As the database has it: jsonb and text take no NUL.
        const place = async (one: Subject) => {
          await holds.add(one, 'ann@host', 'case 17')
          standing.push(
            'customerIdentifier' in one
              ? { ...one, customerIdentifier: one.customerIdentifier.replace('\0', '\ufffd') }
              : one,
          )
        }
        let deleted = 0
        let active = openRetention()
        try {
          const run = await active.start(AGE_SECS, 'ann@host')
          for (const one of steps) {
            if (one.kind === 'hold') await place(one.subject)
            else if (one.kind === 'store') await store(one.given)
            else if (one.kind === 'kill') {
              await active.close()
              active = openRetention()
              const found = await active.unfinished(AGE_SECS)
              if (found !== undefined) expect(found.id).toBe(run.id)
            } else {
              const before = await rowsOf()
              const safe = staying(before, await statesOf(), standing).protected
              const chunk = await active.delete(run.id, one.limit)
              const after = new Set((await rowsOf()).map(({ key }) => key))
              expect(safe.filter((key) => !after.has(key))).toEqual([])
              const counted = (chunk?.deleted ?? []).reduce((sum, { events }) => sum + events, 0)
              expect(counted).toBe(before.length - after.size)
              deleted += counted
            }
          }
          await finish(run)
          const receipt = async (id: string) =>
            (await retention.receipt(id)).reduce((sum, { events }) => sum + events, 0)
          const left = await receipt(run.id)
          expect(left).toBeGreaterThanOrEqual(deleted)
          // A run of its own takes what came behind the first one's position.
          const rows = await rowsOf()
          const wanted = staying(rows, await statesOf(), standing)
          const plan = await planRetention(retention, OPTIONS)
          const last = await startRun()
          await finish(last)
          expect((await rowsOf()).map(({ key }) => key)).toEqual(wanted.kept)
          expect(plan.deleted.reduce((sum, { events }) => sum + events, 0)).toBe(
            rows.length - wanted.kept.length,
          )
          expect(await receipt(last.id)).toBe(rows.length - wanted.kept.length)
          expect([plan.held, (await retention.runs(1))[0]!.held]).toEqual([wanted.held, wanted.held])
          // An interaction is there exactly as long as one of its events.
          const subjects = new Set((await rowsOf()).map(subjectOf))
          expect((await statesOf()).map((state) => state.subject)).toEqual([...subjects].sort())
        } finally {
          await active.close()
        }
      },
    ),
    { numRuns: 25 },
  )
}, 240_000)

it('stops after a chunk and continues with the same run', async () => {
  for (let i = 0; i < 5; i++)
    await store({ source: 'nice', interaction: `i-${i}`, customer: null, sequence: 1, ageDays: 200 })
  const run = await startRun()
  const stopping = new AbortController()
  const slow = {
    ...OPTIONS,
    ratePerSec: 2,
    signal: stopping.signal,
    wait: () => {
      stopping.abort()
      return Promise.resolve()
    },
  }
  expect(await runRetention(retention, run, slow)).toEqual({ isFinished: false })
  expect(await rowsOf()).toHaveLength(3)
  const found = await retention.unfinished(AGE_SECS)
  expect(found).toMatchObject({ id: run.id, lookedAt: 2, finishedAt: null })
  expect(await retention.unfinished(AGE_SECS + 1)).toBeUndefined()
  await finish(found!)
  expect(await retention.receipt(run.id)).toEqual([{ source: 'nice', events: 5, interactions: 5 }])
  expect(await retention.unfinished(AGE_SECS)).toBeUndefined()
  expect(await retention.delete(run.id, 10)).toBeUndefined()
})

it('a hold that is being placed is waited for, and one that is released protects no more', async () => {
  await store({ source: 'nice', interaction: 'i-1', customer: '+1555', sequence: 1, ageDays: 200 })
  const run = await startRun()
  await client.query('BEGIN')
  await client.query(
    "INSERT INTO weir_holds (customer_identifier, placed_by, reason) VALUES ('+1555', 'bob', 'x')",
  )
  const batch = retention.delete(run.id, 10)
  const waits = async () => {
    const { rows } = await client.query(
      "SELECT FROM pg_locks WHERE NOT granted AND relation = 'weir_holds'::regclass",
    )
    return rows.length
  }
  await expect.poll(waits, { timeout: 10_000 }).toBe(1)
  await client.query('COMMIT')
  expect(await batch).toMatchObject({ held: 1, deleted: [] })
  const [hold] = await holds.list()
  expect(hold).toMatchObject({ customerIdentifier: '+1555', placedBy: 'bob', reason: 'x', source: null })
  expect(await holds.release(hold!.id, 'ann@host', 'case closed')).toMatchObject({ releasedBy: 'ann@host' })
  expect(await holds.release(hold!.id, 'ann@host', 'again')).toBeUndefined()
  expect([await holds.list(), (await holds.list({ all: true })).length]).toEqual([[], 1])
  await finish(await startRun())
  expect([await rowsOf(), await statesOf()]).toEqual([[], []])
})

it('an event that arrives while its interaction is deleted has its row and its latest state', async () => {
  for (let round = 0; round < 20; round++) {
    await store({ source: 'nice', interaction: 'i-1', customer: null, sequence: 5, ageDays: 200 })
    const run = await startRun()
    const late = rowEvent(`late-${round}`, { source: 'nice', interactionId: 'i-1', sequence: 1n })
    await Promise.all([retention.delete(run.id, 10), sink.write([late])])
    const [states, rows] = [await statesOf(), await rowsOf()]
    expect(rows.map(({ key }) => key)).toContain(late.eventKey)
    expect(states).toHaveLength(1)
    expect(rows.map(({ key }) => key)).toContain(states[0]!.key)
    await empty()
  }
}, 60_000)

it('counts what a hold protects: the interaction, and every interaction of the customer', async () => {
  const one = { source: 'nice', sequence: 1, ageDays: 0 }
  await store({ ...one, interaction: 'i-1', customer: '+1555' })
  await store({ ...one, interaction: 'i-1', customer: null })
  await store({ ...one, interaction: 'i-2', customer: null })
  await store({ ...one, source: 'cxone', interaction: 'i-1', customer: '+1555' })
  expect(await holds.count({ source: 'nice', interactionId: 'i-1' })).toBe(2)
  expect(await holds.count({ customerIdentifier: '+1555' })).toBe(3)
  expect(await holds.count({ source: 'nice', customerIdentifier: '+1555' })).toBe(2)
})
