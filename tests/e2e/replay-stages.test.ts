import pg from 'pg'
import { expect, it, onTestFinished } from 'vitest'
import { Pipeline } from './pipeline.ts'
import { ReplayJobs } from './replay-jobs.ts'
import { event, malformed, sourceOf } from './shipments.ts'

const update = (id: string, k: string) =>
  event('nice', { interactionId: id, dataActionId: 'd', updatedTimestamp: 'T', payload: { k } })
const NAN = Buffer.from(
  '{"interactionId":"fixed","dataActionId":"d","updatedTimestamp":"T","payload":{"k":NaN}}',
)
const FIX_UP = { name: 'NaN is null', replaceText: [{ find: 'NaN', with: 'null' }] }

/** A pipeline with its replay service and its database. */
const start = async (name: string) => {
  const pipeline = await Pipeline.start(name)
  onTestFinished(() => pipeline.close())
  await pipeline.start('replay')
  const database = new pg.Client({ connectionString: pipeline.databaseUrl })
  await database.connect()
  onTestFinished(() => database.end())
  return { pipeline, replay: new ReplayJobs(pipeline), database }
}

it('brings letters of dedup and of persistence back through the stage that gave them up', async () => {
  const { pipeline, replay, database } = await start('replay-stages')
  await database.query(`ALTER TABLE events ADD CONSTRAINT planted CHECK (skill <> 'Refused')`)

  await pipeline.send([update('twice', 'first')])
  await pipeline.untilTotals(({ unique }) => unique === 1)
  const lean = { interactionId: 'call', eventType: 'CALL_CONNECTED', sequenceNumber: 1, skill: 'Refused' }
  await pipeline.send([update('twice', 'second'), malformed(sourceOf('nice'), NAN), event('cxone', lean)])
  const before = await pipeline.examine()
  expect(before.findings).toEqual([])
  expect(before.totals).toMatchObject({ unique: 2, conflicts: 1, deadLettered: 1, downstreamLetters: 1 })

  // One that goes on failing is left alone after three times.
  for (const guarded of [0, 0, 0, 1]) {
    const { counts } = await replay.replay({ stage: 'persistence', reason: 'row_rejected' })
    expect(counts).toMatchObject({ matched: 1, done: 1 - guarded, guarded })
    expect((await pipeline.examine()).findings).toEqual([])
  }
  await database.query('ALTER TABLE events DROP CONSTRAINT planted')
  const all = async (status: object = {}) =>
    Promise.all([
      replay.replay({ stage: 'persistence', ...status }, { replaysMax: 10 }),
      replay.replay({ stage: 'dedup', reason: 'key_conflict', ...status }),
      replay.replay({ stage: 'dedup', reason: 'invalid_json', ...status }, { fixUp: FIX_UP }),
    ])
  expect((await all()).map(({ counts }) => counts.done)).toEqual([1, 1, 1])
  const after = await pipeline.examine()
  expect(after.findings).toEqual([])
  expect(after.totals).toMatchObject({ received: 4, returned: 2, unique: 4, rows: 4, downstreamLetters: 0 })
  const { rows } = await database.query<{ of: string; fix: string | null }>(
    `SELECT coalesce(payload #>> '{payload,k}', skill, interaction_id) AS of, fix_up AS fix FROM events`,
  )
  expect(new Map(rows.map(({ of, fix }) => [of, fix]))).toEqual(
    new Map([
      ['Refused', null],
      ['first', null],
      ['fixed', FIX_UP.name],
      ['second', null],
    ]),
  )

  // The same again changes no row: dedup and the sink know them all.
  await all({ status: 'any' })
  const twice = await pipeline.examine()
  expect(twice.findings).toEqual([])
  expect(twice.totals).toMatchObject({ received: 4, returned: 4, unique: 4, duplicates: 2, rows: 4 })
})

it('brings what a sink calls a conflict back through dedup, as an event of its own', async () => {
  const { pipeline, replay, database } = await start('replay-conflict')
  const sent = update('known', 'new body')
  // As if it had arrived so long ago that its key has expired.
  await database.query(
    `INSERT INTO events (event_key, source, event_type, interaction_id, received_at, processed_at, schema_version,
       attributes, parts_missing, body_hash, payload, payload_sanitised, raw)
     VALUES ($1, 'nice', 't', 'known', now(), now(), 'v', '{}', '{}', '\\x0102030405060708', '{}', false, '{}')`,
    [Buffer.from(sent.operation.eventKey!, 'hex')],
  )
  await pipeline.send([sent])
  await pipeline.untilTotals(({ downstreamLetters }) => downstreamLetters === 1)
  const { counts } = await replay.replay({ stage: 'persistence', reason: 'key_conflict' })
  expect(counts).toMatchObject({ matched: 1, done: 1 })
  await pipeline.untilTotals(({ returned, rows }) => returned === 1 && rows === 2)
  const { rows } = await database.query<{ raw: Buffer }>(
    `SELECT raw FROM events WHERE interaction_id = 'known' AND event_key <> $1`,
    [Buffer.from(sent.operation.eventKey!, 'hex')],
  )
  expect(rows.map(({ raw }) => raw.toString())).toEqual([sent.raw.toString()])
})
