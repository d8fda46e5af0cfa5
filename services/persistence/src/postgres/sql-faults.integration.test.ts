import { randomBytes } from 'node:crypto'
import { eventKeyOf, OPAQUE_SHAPE, type InteractionEvent } from '@weir/contracts'
import { isolatedDatabase } from '@weir/testkit'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { SinkFaultError, SinkUnavailableError } from '@weir/row-sink'
import { rowEvent } from '@weir/row-sink/testing'
import { migrate } from './migrate.ts'
import { PostgresSink } from './postgres-sink.ts'

const TIMEOUT_MS = 600
const STRANGER = `stranger_${randomBytes(4).toString('hex')}`
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
  const { rowCount } = await client.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [STRANGER])
  if (rowCount === 1) await client.query(`DROP OWNED BY ${STRANGER}; DROP ROLE ${STRANGER}`)
  await client.end()
})

afterEach(async () => {
  await client.query('DROP TRIGGER IF EXISTS odd ON events')
})

const batch = (name: string, count: number): InteractionEvent[] =>
  Array.from({ length: count }, (_, i) => rowEvent(`${name}-${i}`))

/** Creates a trigger, as an operator might, that runs before each insert. */
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

/** Retries as the task does. */
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

it.each([
  ['38000', `RAISE EXCEPTION 'no' USING ERRCODE = '38000'`],
  ['39P01', `RAISE EXCEPTION 'no' USING ERRCODE = '39P01'`],
  ['28P01', `RAISE EXCEPTION 'authentication failed' USING ERRCODE = '28P01'`],
  ['08006', `RAISE EXCEPTION 'no such user' USING ERRCODE = '08006'`],
  ['57P03', `RAISE EXCEPTION 'no' USING ERRCODE = '57P03'`],
  ['42P01', 'INSERT INTO missing VALUES (1)'],
  ['42883', 'PERFORM missing()'],
  ['42703', 'NEW.missing := 1'],
  ['42P02', `EXECUTE 'SELECT $1'`],
  ['2F005', 'PERFORM endless()'],
  ['20000', `CASE NEW.source WHEN 'x' THEN NULL; END CASE`],
  ['22012', 'PERFORM 1 / 0'],
  ['22P02', `PERFORM 'x'::int`],
  ['23502', `INSERT INTO weir_migrations VALUES (NULL)`],
  ['21000', 'PERFORM (SELECT generate_series(1, 2))'],
  ['0A000', 'PERFORM 1 FROM other_database.public.events'],
  ['54001', 'PERFORM recursing()'],
  ['55000', `PERFORM currval('unused')`],
  ['42501', 'PERFORM as_stranger()'],
])('%s within a trigger makes a letter of its row, and the others are stored', async (state, statement) => {
  const name = `within-${state}`
  await client.query(`CREATE SEQUENCE IF NOT EXISTS unused;
    CREATE OR REPLACE FUNCTION endless() RETURNS int LANGUAGE plpgsql AS $$ BEGIN END $$;
    CREATE OR REPLACE FUNCTION recursing() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN recursing(); END $$;
    CREATE OR REPLACE FUNCTION as_stranger() RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS $$
      BEGIN PERFORM 1 FROM events; RETURN 1; END $$;
    DO $$ BEGIN CREATE ROLE ${STRANGER}; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
    ALTER FUNCTION as_stranger() OWNER TO ${STRANGER}`)
  await onInsert(`IF NEW.interaction_id = '${name}-3' THEN ${statement}; END IF;`)
  const results = await sink.write(batch(name, 8))
  expect(results[3]).toEqual({ kind: 'rejected', detail: `SQLSTATE ${state}` })
  expect(await storedOf(name)).toBe(7)
})

it('rejects only the row that row-level security or a partial index refuses', async () => {
  const name = 'policy'
  await client.query(`CREATE UNIQUE INDEX odd ON events ((1 / (octet_length(interaction_id) - 9)))
    WHERE interaction_id LIKE '${name}-%'`)
  try {
    const results = await sink.write([rowEvent(`${name}-1`), rowEvent(`${name}-22`)])
    expect(results).toEqual([{ kind: 'stored' }, { kind: 'rejected', detail: 'SQLSTATE 22012' }])
  } finally {
    await client.query('DROP INDEX odd')
  }
  await client.query(`ALTER TABLE events ENABLE ROW LEVEL SECURITY; ALTER TABLE events FORCE ROW LEVEL SECURITY;
    CREATE POLICY odd ON events USING (true) WITH CHECK (interaction_id <> '${name}-4');
    DO $$ BEGIN CREATE ROLE ${STRANGER} ; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
    ALTER ROLE ${STRANGER} LOGIN PASSWORD 'odd'; GRANT ALL ON ALL TABLES IN SCHEMA public TO ${STRANGER}`)
  const url = new URL(databaseUrl)
  url.username = STRANGER
  url.password = 'odd'
  const strangers = new PostgresSink({ databaseUrl: url.href, poolMax: 1, statementTimeoutMs: TIMEOUT_MS })
  try {
    const results = await strangers.write([
      rowEvent(`${name}-3`),
      rowEvent(`${name}-4`),
      rowEvent(`${name}-5`),
    ])
    expect(results.map(({ kind }) => kind)).toEqual(['stored', 'rejected', 'stored'])
    expect(results[1]).toEqual({ kind: 'rejected', detail: 'SQLSTATE 42501' })
    await client.query(`REVOKE INSERT ON events FROM ${STRANGER}`)
    await expect(strangers.write([rowEvent(`${name}-6`)])).rejects.toThrow(
      /42501.*give the user of DATABASE_URL/,
    )
  } finally {
    await strangers.close()
    await client.query('DROP POLICY odd ON events; ALTER TABLE events DISABLE ROW LEVEL SECURITY')
  }
})

it('halves a batch that takes longer than the timeout', async () => {
  await onInsert('PERFORM pg_sleep(0.1);')
  expect(await sink.write(batch('slow', 16))).toEqual(batch('slow', 16).map(() => ({ kind: 'stored' })))
})

it('rejects a row that times out repeatedly, and stores the others at the first attempt', async () => {
  const name = 'endless'
  await onInsert(`IF NEW.interaction_id = '${name}-2' THEN PERFORM pg_sleep(60); END IF;`)
  await expect(sink.write(batch(name, 5))).rejects.toThrow(/a row takes longer .* \(1 of 3 attempts\)/)
  const { tries, results } = await writeUntilDone(batch(name, 5), 2)
  expect(tries).toBe(2)
  expect(results.map(({ kind }) => kind)).toEqual(['stored', 'stored', 'rejected', 'stored', 'stored'])
  expect(results[2]).toMatchObject({ detail: expect.stringContaining('57014') as string })
})

it('waits while a table is locked, and rejects no row', async () => {
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

/** Another session that holds a lock until `release`. */
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
      await expect(waiting).rejects.toThrow(
        /waits for a lock of another PostgreSQL session \(SQLSTATE 55P03\)/,
      )
    }
    expect(await storedOf(name)).toBe(1 + 4)
    await release()
    expect(await sink.write(batch(name, 5))).toEqual(batch(name, 5).map(() => ({ kind: 'stored' })))
    expect(await storedOf(name)).toBe(1 + 5)
  },
)

it.each(['40P01', '40001', '55P03'])('retries a row that fails with %s without a limit', async (state) => {
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

it('does not count waits for a lock as timeouts of a row', async () => {
  const name = 'both'
  await sink.write([rowEvent(`${name}-2`, { eventKey: eventKeyOf(name, 'before').toString('hex') })])
  const { release } = await holding(ON_INTERACTION(name))
  for (let tries = 0; tries < 4; tries++) {
    await expect(sink.write([rowEvent(`${name}-2`)])).rejects.toThrow(/waits for a lock/)
  }
  await release()
  await onInsert(`IF NEW.interaction_id = '${name}-2' THEN PERFORM pg_sleep(60); END IF;`)
  await expect(sink.write([rowEvent(`${name}-2`)])).rejects.toThrow(/1 of 3 attempts/)
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

it('stores or rejects a body that is nested 6,000 levels deep, and never waits', async () => {
  const depth = 6_000
  const raw = Buffer.from(`${'['.repeat(depth)}"\\u0000"${']'.repeat(depth)}`)
  const results = await sink.write([
    rowEvent('deep-0', { raw }),
    rowEvent('deep-1', { raw, schemaVersion: OPAQUE_SHAPE }),
  ])
  expect(['stored', 'rejected']).toContain(results[0]!.kind)
  expect(results[1]).toEqual({ kind: 'stored' })
})
