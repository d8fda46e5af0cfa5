import { AuditCheck, decodeAuditRecord, TOPIC_SPECS, topicNames, type AuditRecord } from '@weir/contracts'
import { ensureTopics, readAuditLog } from '@weir/kafka'
import { prepareDatabase } from '@weir/persistence'
import { createLogger } from '@weir/runtime'
import { isolatedDatabase, isolatedKafka } from '@weir/testkit'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { runProgram } from '../program.ts'

const settings = isolatedKafka('retention-commands', 1)
const logger = createLogger('test', 'silent')
const ROW = `INSERT INTO events (event_key, source, event_type, interaction_id, customer_identifier, received_at,
  processed_at, schema_version, attributes, parts_missing, body_hash, payload, payload_sanitised, raw, stored_at)
  VALUES (decode(md5($1), 'hex'), 'nice', 't', $1, $2, now(), now(), 'v', '{}', '{}', '\\x00', '{}', false, '\\x00',
    now() - $3 * interval '1 day')`
const CUSTOMER = '+15550001001'

let databaseUrl: string
let client: pg.Client

beforeAll(async () => {
  databaseUrl = await isolatedDatabase('retention-commands')
  await prepareDatabase({ ownerUrl: databaseUrl })
  client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  const replicas = { replicationFactor: 1, minInsyncReplicas: 1 }
  await ensureTopics({ settings, logger, specs: TOPIC_SPECS, ...replicas })
}, 120_000)
beforeEach(() => {
  vi.stubEnv('KAFKA_BROKERS', settings.kafkaBrokers.join(','))
  vi.stubEnv('TOPIC_PREFIX', settings.topicPrefix)
  vi.stubEnv('WEIR_PROFILE', 'dev')
  vi.stubEnv('DATABASE_OWNER_URL', databaseUrl)
  return () => vi.unstubAllEnvs()
})
afterAll(() => client.end())

const run = async (...args: string[]) => {
  let [out, err] = ['', '']
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((out += String(text)), true))
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((err += String(text)), true))
  process.exitCode = 0
  const code = await runProgram(args)
  process.exitCode = 0
  vi.restoreAllMocks()
  return { code, out, err }
}

const interactions = async () => {
  const { rows } = await client.query<{ id: string }>('SELECT interaction_id AS id FROM events ORDER BY 1')
  return rows.map(({ id }) => id)
}

const noted = async (): Promise<readonly AuditRecord[]> => {
  const check = new AuditCheck()
  const records: AuditRecord[] = []
  await readAuditLog(settings, topicNames(settings.topicPrefix).auditLog, {
    onRecord: (record) => {
      check.add(record.offset, record)
      records.push(decodeAuditRecord(record.value)!)
    },
    onUnreadable: (range) => check.addUnreadable(range),
  })
  expect(check.faults).toEqual([])
  return records
}

it('refuses an age in which an event can come again, with both values and the fix', async () => {
  expect(await run('retention', 'plan', '--older-than', '30d')).toMatchObject({
    code: 2,
    out: '',
    err: expect.stringMatching(
      /--older-than is 30d, and the least is \d+[dh]: .* \d+ s and .*replay\.v1 keeps records for 30d.*Give --older-than/s,
    ) as string,
  })
  expect((await run('retention', 'run', '--older-than', 'soon', '--yes')).code).toBe(2)
})

it('places holds, deletes what is old and not held, releases, deletes the rest, and notes each', async () => {
  await client.query(ROW, ['young', null, 10])
  await client.query(ROW, ['old', null, 500])
  await client.query(ROW, ['named', null, 500])
  await client.query(ROW, ['of-customer', CUSTOMER, 500])
  const reason = ['--reason', 'case 17']
  expect(await run('hold', 'add', '--source', 'nice', '--interaction', 'named', ...reason)).toMatchObject({
    code: 0,
    out: 'hold 1 is placed: it protects 1 rows now, and those that arrive later\n',
  })
  expect((await run('hold', 'add', '--customer', CUSTOMER, ...reason)).code).toBe(0)
  expect((await run('hold', 'add', '--interaction', 'named', ...reason)).code).toBe(2)
  const age = ['--older-than', '400d']
  const plan = JSON.parse((await run('retention', 'plan', ...age, '--json')).out) as object
  expect(plan).toMatchObject({ lookedAt: 4, held: 2, deleted: [{ source: 'nice', events: 1 }] })
  expect((await run('retention', 'run', ...age)).err).toContain('Nothing was deleted: give --yes.')
  expect(await interactions()).toHaveLength(4)
  expect((await run('retention', 'run', ...age, '--yes')).code).toBe(0)
  expect(await interactions()).toEqual(['named', 'of-customer', 'young'])
  expect((await run('hold', 'release', '1', ...reason)).code).toBe(0)
  expect((await run('hold', 'release', '1', ...reason)).code).toBe(2)
  expect((await run('retention', 'run', ...age, '--yes')).code).toBe(0)
  expect(await interactions()).toEqual(['of-customer', 'young'])
  const receipts = JSON.parse((await run('retention', 'ls', '--json')).out) as object[]
  expect(receipts).toMatchObject([
    { deleted: { nice: { events: 1 } }, held: 1 },
    { deleted: { nice: { events: 1 } }, held: 2 },
  ])
  const holds = JSON.parse((await run('hold', 'ls', '--all', '--json')).out) as object[]
  expect(holds).toMatchObject([
    { id: '1', releaseReason: 'case 17' },
    { id: '2', customerIdentifier: CUSTOMER },
  ])
  const records = await vi.waitFor(async () => {
    const all = await noted()
    expect(all.filter(({ what }) => what === 'retention.done')).toHaveLength(2)
    return all
  }, 20_000)
  expect(records.map(({ what }) => what)).toEqual([
    'hold.add',
    'hold.add',
    'retention.run',
    'retention.done',
    'hold.release',
    'hold.release',
    'retention.run',
    'retention.done',
  ])
  expect(records[0]).toMatchObject({
    who: { service: 'weir', role: 'local' },
    details: { interaction: 'named' },
  })
  expect(JSON.stringify(records)).not.toContain(CUSTOMER)
}, 120_000)

it('changes nothing when it cannot be noted', async () => {
  vi.stubEnv('TOPIC_PREFIX', `${settings.topicPrefix}not-there.`)
  const placed = await run('hold', 'add', '--customer', CUSTOMER, '--reason', 'case 18')
  expect(placed).toMatchObject({
    code: 1,
    err: expect.stringMatching(/hold\.add is refused.*weir topics/s) as string,
  })
  const { rows } = await client.query("SELECT FROM weir_holds WHERE reason = 'case 18'")
  expect(rows).toEqual([])
}, 120_000)
