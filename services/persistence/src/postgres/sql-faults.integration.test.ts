import { eventKeyOf, OPAQUE_SHAPE, type InteractionEvent } from '@weir/contracts'
import { isolatedDatabase } from '@weir/testkit'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { SinkFaultError, SinkUnavailableError } from '../row-sink.ts'
import { rowEvent } from '../testing/row-event.ts'
import { migrate } from './migrate.ts'
import { PostgresSink } from './postgres-sink.ts'

const TIMEOUT_MS = 600
let databaseUrl: string
let client: pg.Client
let sink: PostgresSink

beforeAll(async () => {
  databaseUrl = await isolatedDatabase('faults')
  await migrate(databaseUrl)
  client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  sink = new PostgresSink({ databaseUrl, poolMax: 2, statementTimeoutMs: TIMEOUT_MS })
})

afterAll(async () => {
  await sink.close()
  await client.end()
})

afterEach(async () => {
  await client.query('DROP TRIGGER IF EXISTS odd ON events')
})

const batch = (name: string, count: number): InteractionEvent[] =>
  Array.from({ length: count }, (_, i) => rowEvent(`${name}-${i}`))

/** What a trigger, written by somebody else, does before a row goes in. */
const onInsert = async (plpgsql: string): Promise<void> => {
  await client.query(
    `CREATE OR REPLACE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${plpgsql} RETURN NEW; END $$`,
  )
  await client.query('CREATE TRIGGER odd BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION odd()')
}

const storedOf = async (name: string): Promise<number> => {
  const { rows } = await client.query<{ count: string }>(
    'SELECT count(*) FROM events WHERE interaction_id LIKE $1',
    [`${name}-%`],
  )
  return Number(rows[0]!.count)
}

/** As the stage does: again and again, whatever is retriable. */
const writeUntilDone = async (events: readonly InteractionEvent[], triesMax: number) => {
  for (let tries = 1; ; tries++) {
    try {
      return { tries, results: await sink.write(events) }
    } catch (error) {
      if (!(error instanceof SinkUnavailableError) || tries === triesMax) throw error
    }
  }
}

it.each([
  ['P0001', `RAISE EXCEPTION 'no'`],
  ['WE001', `RAISE EXCEPTION 'no' USING ERRCODE = 'WE001'`],
  ['23514', `RAISE EXCEPTION 'no' USING ERRCODE = 'check_violation'`],
])('rejects the one row that a trigger refuses with %s', async (state, raise) => {
  const name = `trigger-${state}`
  await onInsert(`IF NEW.interaction_id = '${name}-3' THEN ${raise}; END IF;`)
  const results = await sink.write(batch(name, 8))
  expect(results[3]).toEqual({ kind: 'rejected', detail: `SQLSTATE ${state}` })
  expect(await storedOf(name)).toBe(7)
})

it('halves a batch that takes longer than the time-out', async () => {
  await onInsert('PERFORM pg_sleep(0.1);')
  expect(await sink.write(batch('slow', 16))).toEqual(batch('slow', 16).map(() => ({ kind: 'stored' })))
})

it('gives up the one row that takes too long each time, and stores the others the first time', async () => {
  const name = 'endless'
  await onInsert(`IF NEW.interaction_id = '${name}-2' THEN PERFORM pg_sleep(60); END IF;`)
  await expect(sink.write(batch(name, 5))).rejects.toThrow(/one row takes longer .* 1 of 3 times/)
  const { tries, results } = await writeUntilDone(batch(name, 5), 2)
  expect(tries).toBe(2)
  expect(results.map(({ kind }) => kind)).toEqual(['stored', 'stored', 'rejected', 'stored', 'stored'])
  expect(results[2]).toMatchObject({ detail: expect.stringContaining('57014') as string })
})

it('waits while a table is locked, and gives nothing up', async () => {
  const locker = new pg.Client({ connectionString: databaseUrl })
  await locker.connect()
  await locker.query('BEGIN')
  await locker.query('LOCK TABLE events IN ACCESS EXCLUSIVE MODE')
  for (let i = 0; i < 4; i++) {
    await expect(sink.write([rowEvent('locked-0')])).rejects.toThrow(SinkUnavailableError)
  }
  await locker.query('ROLLBACK')
  await locker.end()
  expect(await sink.write([rowEvent('locked-0')])).toEqual([{ kind: 'stored' }])
})

/** A session of somebody else that holds a lock until `release`. */
const holding = async (...sql: readonly string[]) => {
  const other = new pg.Client({ connectionString: databaseUrl })
  await other.connect()
  await other.query('BEGIN')
  for (const one of sql) await other.query(one)
  return {
    release: async () => {
      await other.query('ROLLBACK')
      await other.end()
    },
  }
}

const keyOf = (id: string): string => `'\\x${rowEvent(id).eventKey}'`
const ON_INTERACTION = (name: string) =>
  `SELECT 1 FROM interactions WHERE interaction_id = '${name}-2' FOR UPDATE`

it.each([
  ['its interaction', 'interaction', ON_INTERACTION],
  [
    'its key, by an insert that is not committed',
    'key',
    (name: string) =>
      `INSERT INTO events SELECT (jsonb_populate_record(e, jsonb_build_object('event_key', ${keyOf(`${name}-2`)}))).* FROM events e LIMIT 1`,
  ],
  ['what its trigger needs', 'advisory', () => 'SELECT pg_advisory_xact_lock(4711)'],
])(
  'waits for a lock on %s however long it is held, stores the others meanwhile, and the row after it',
  async (_, name, lock) => {
    // The interaction is there, and so is a row to copy.
    await sink.write([rowEvent(`${name}-2`, { eventKey: eventKeyOf(name, 'before').toString('hex') })])
    await onInsert(`IF NEW.interaction_id = 'advisory-2' THEN PERFORM pg_advisory_xact_lock(4711); END IF;`)
    const { release } = await holding(lock(name))
    const heldUntil = performance.now() + 4 * TIMEOUT_MS
    let tries = 0
    for (; tries < 8 || performance.now() < heldUntil; tries++) {
      const waiting = sink.write(batch(name, 5))
      await expect(waiting).rejects.toThrow(SinkUnavailableError)
      await expect(waiting).rejects.toThrow(/waits for a lock that another session .* \(SQLSTATE 55P03\)/)
    }
    expect(await storedOf(name)).toBe(1 + 4)
    await release()
    expect(await sink.write(batch(name, 5))).toEqual(batch(name, 5).map(() => ({ kind: 'stored' })))
    expect(await storedOf(name)).toBe(1 + 5)
  },
)

it.each(['40P01', '40001', '55P03'])('tries again without end what fails with %s', async (state) => {
  const name = `again-${state}`
  await onInsert(
    `IF NEW.interaction_id = '${name}-1' THEN RAISE EXCEPTION 'no' USING ERRCODE = '${state}'; END IF;`,
  )
  for (let tries = 0; tries < 6; tries++) {
    await expect(sink.write(batch(name, 3))).rejects.toThrow(SinkUnavailableError)
  }
  await client.query('DROP TRIGGER odd ON events')
  expect(await sink.write(batch(name, 3))).toEqual(batch(name, 3).map(() => ({ kind: 'stored' })))
})

it('does not count a wait for a lock to what a slow row has taken', async () => {
  const name = 'both'
  await sink.write([rowEvent(`${name}-2`, { eventKey: eventKeyOf(name, 'before').toString('hex') })])
  const { release } = await holding(ON_INTERACTION(name))
  for (let tries = 0; tries < 4; tries++) {
    await expect(sink.write([rowEvent(`${name}-2`)])).rejects.toThrow(/waits for a lock/)
  }
  await release()
  await onInsert(`IF NEW.interaction_id = '${name}-2' THEN PERFORM pg_sleep(60); END IF;`)
  await expect(sink.write([rowEvent(`${name}-2`)])).rejects.toThrow(/1 of 3 times/)
})

it('stops when its own statement is refused', async () => {
  await client.query('ALTER TABLE events RENAME COLUMN queue TO queue_renamed')
  try {
    const other = new PostgresSink({ databaseUrl, poolMax: 1, statementTimeoutMs: TIMEOUT_MS })
    await expect(other.write(batch('renamed', 2))).rejects.toThrow(SinkFaultError)
    await other.close()
  } finally {
    await client.query('ALTER TABLE events RENAME COLUMN queue_renamed TO queue')
  }
})

it('ends a body nested 6,000 deep with one escape as a row or a rejected one, never as a wait', async () => {
  const depth = 6_000
  const raw = Buffer.from(`${'['.repeat(depth)}"\\u0000"${']'.repeat(depth)}`)
  const results = await sink.write([
    rowEvent('deep-0', { raw }),
    rowEvent('deep-1', { raw, schemaVersion: OPAQUE_SHAPE }),
  ])
  expect(['stored', 'rejected']).toContain(results[0]!.kind)
  expect(results[1]).toEqual({ kind: 'stored' })
})
