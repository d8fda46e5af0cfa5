import {
  bodyHashOf,
  encodeDeadLetter,
  encodeReceivedWebhook,
  entityKeyOf,
  eventKeyOf,
  TOPIC_SPECS,
  topicNames,
  type DeadLetterReason,
  type TopicRole,
  type WireRecord,
} from '@weir/contracts'
import { ensureTopics, openLanes, type Lanes } from '@weir/kafka'
import { encodePosition } from '@weir/seen-keys'
import { createLogger, Metrics, type Service } from '@weir/runtime'
import { isolatedDatabase, isolatedKafka } from '@weir/testkit'
import pg from 'pg'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { service as webConsole } from './index.ts'

const PORT = 28_431
const TOKEN = 'a token of the tests'
const logger = createLogger('test', 'silent')
const settings = isolatedKafka('console', 1)
const topics = topicNames(settings.topicPrefix)
const lanes = new Map<TopicRole, Lanes>()
let databaseUrl: string
let service: Service

const laneOf = async (role: TopicRole): Promise<Lanes> => {
  const open =
    lanes.get(role) ??
    (await openLanes({
      settings,
      logger,
      topic: topics[role],
      lingerMs: 0,
      deadlineMs: 10_000,
      batchRecordsMax: 100,
      batchBytesMax: 100_000,
      queueBytesMax: 1_000_000,
    }))
  lanes.set(role, open)
  return open
}

const write = async (role: TopicRole, record: WireRecord): Promise<void> =>
  (await laneOf(role)).send(0, record)

const webhook = (id: string, body = '{}'): WireRecord =>
  encodeReceivedWebhook({
    source: 'cxone',
    entityKey: entityKeyOf('cxone', id),
    interactionId: id,
    eventKey: eventKeyOf('cxone', id),
    dedupKey: id,
    bodyHash: bodyHashOf(Buffer.from('k'), Buffer.from(body)),
    eventType: 't',
    receivedAt: 1,
    raw: Buffer.from(body),
  })

const letter = (record: WireRecord, reason: DeadLetterReason): WireRecord =>
  encodeDeadLetter({
    origin: { ...record, topic: 'x', partition: 0, offset: 0n },
    reason,
    step: 'planted',
    error: 'planted',
    failedAt: 1,
  })

const ask = async (id: string): Promise<{ code: number; body: Record<string, unknown> }> => {
  const response = await fetch(`http://127.0.0.1:${PORT}/events/${eventKeyOf('cxone', id).toString('hex')}`, {
    headers: { authorization: `Bearer ${TOKEN}` },
  })
  return { code: response.status, body: (await response.json()) as Record<string, unknown> }
}

const until = (id: string, expected: object, timeout = 15_000): Promise<void> =>
  vi.waitFor(async () => expect((await ask(id)).body).toMatchObject(expected), { timeout, interval: 50 })

beforeAll(async () => {
  databaseUrl = await isolatedDatabase('console')
  await ensureTopics({ settings, logger, specs: TOPIC_SPECS, replicationFactor: 1, minInsyncReplicas: 1 })
  const config = webConsole.loadConfig({
    WEIR_PROFILE: 'dev',
    KAFKA_BROKERS: settings.kafkaBrokers.join(','),
    TOPIC_PREFIX: settings.topicPrefix,
    TOPIC_PARTITIONS: '1',
    CONSOLE_HOST: '127.0.0.1',
    CONSOLE_PORT: String(PORT),
    CONSOLE_TOKENS: TOKEN,
    DATABASE_URL: databaseUrl,
  })
  // Events from before the start are found as well.
  await write('received', webhook('before'))
  service = await webConsole.start(config, { logger, metrics: new Metrics('console') })
  await vi.waitFor(() => expect(service.readiness()).toEqual([]), { timeout: 30_000 })
})

afterAll(async () => {
  await service.stop()
  await Promise.all([...lanes.values()].map((open) => open.close()))
})

it('follows an event from the brokers to its row', async () => {
  await until('before', { status: 'accepted', counts: { received: 1 } })
  const record = webhook('before')
  await write('received', record)
  await write('unique', record)
  await until('before', { status: 'unique', counts: { received: 2, duplicates: null } })
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  await client.query(
    'CREATE TABLE events (event_key bytea PRIMARY KEY, source text, event_type text, received_at timestamptz, stored_at timestamptz)',
  )
  await client.query(`INSERT INTO events VALUES ($1, 'cxone', 't', now(), now())`, [
    eventKeyOf('cxone', 'before'),
  ])
  await client.end()
  await until('before', { status: 'stored', reach: { eventsSince: null, database: 'asked' } })
})

it('tells a repeat from an event that dedup has not decided about', async () => {
  await write('received', webhook('repeat'))
  await until('repeat', { status: 'accepted' })
  await write('seen', {
    ...encodePosition({ next: { [topics.received]: 1_000n }, effectiveTime: 1, rotations: 0 }),
    headers: {},
  })
  await until('repeat', { status: 'duplicate', counts: { received: 1, duplicates: 1 } })
})

it('shows dead letters with their reason', async () => {
  const broken = webhook('broken', '{')
  await write('received', broken)
  await write('dedupDlq', letter(broken, 'invalid_json'))
  await until('broken', {
    status: 'dead-lettered',
    deadLetters: [{ stage: 'dedup', reason: 'invalid_json' }],
  })
  const other = webhook('conflict', '{"other":true}')
  await write('received', other)
  await write('dedupDlq', letter(other, 'key_conflict'))
  await until('conflict', { status: 'conflict', counts: { conflicts: 1 } })
  const unmapped = webhook('unmapped')
  await write('unique', unmapped)
  await write('normalizerDlq', letter(unmapped, 'unmappable'))
  await until('unmapped', { status: 'dead-lettered', deadLetters: [{ stage: 'normalizer' }] })
})

it('reports an unknown key as unknown', async () => {
  expect(await ask('none')).toMatchObject({ code: 404, body: { error: 'No such event is known' } })
})
