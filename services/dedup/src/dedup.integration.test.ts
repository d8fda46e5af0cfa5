import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  bodyHashOf,
  decodeDedupStats,
  encodeReceivedWebhook,
  entityKeyOf,
  eventKeyOf,
  HEADER,
  TOPIC_SPECS,
  topicNames,
} from '@weir/contracts'
import {
  ensureTopics,
  openLanes,
  openTopicReader,
  partitionOf,
  type InputRecord,
  type Lanes,
} from '@weir/kafka'
import { createLogger, Metrics, type Service } from '@weir/service-kit'
import { isolatedKafka } from '@weir/testkit'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { dedup } from './index.ts'

const logger = createLogger('dedup-test', 'silent')
const settings = isolatedKafka('dedup')
const topics = topicNames(settings.topicPrefix)
const hashKey = Buffer.from('test')
let stateDir = ''
let service: Service | undefined
let lanes: Lanes

const startDedup = async (): Promise<Service> => {
  const config = dedup.loadConfig({
    WEIR_PROFILE: 'dev',
    KAFKA_BROKERS: settings.kafkaBrokers.join(','),
    TOPIC_PREFIX: settings.topicPrefix,
    TOPIC_PARTITIONS: String(settings.topicPartitions),
    KAFKA_SESSION_TIMEOUT_MS: '6000',
    STATE_DIR: stateDir,
    STATS_WINDOW_SECS: '10',
    DEDUP_BATCH_RECORDS_MAX: '100',
    DEDUP_PROBE_PORT: '0',
  })
  return dedup.start(config, { logger, metrics: new Metrics('dedup') })
}

const send = (id: string, body: string, malformed = false): Promise<void> => {
  const raw = Buffer.from(body)
  const record = encodeReceivedWebhook({
    source: 'cxone',
    entityKey: entityKeyOf('cxone', id),
    interactionId: id,
    eventKey: eventKeyOf('cxone', id),
    dedupKey: id,
    bodyHash: bodyHashOf(hashKey, raw),
    eventType: 'CALL_CONNECTED',
    receivedAt: 0,
    raw,
    ...(malformed && { intakeError: { reason: 'invalid_json', detail: 'planted', answered: 'rejected' } }),
  })
  return lanes.send(partitionOf(record.key, settings.topicPartitions), record)
}

const readAll = async (topic: string): Promise<InputRecord[]> => {
  const reader = await openTopicReader(settings, topic)
  const all: InputRecord[] = []
  await reader.readToEnd((records) => void all.push(...records))
  await reader.close()
  return all
}

const totals = async () => {
  const sum = { received: 0, unique: 0, duplicates: 0, conflicts: 0, deadLettered: 0, rejected: 0 }
  for (const { value } of await readAll(topics.stats)) {
    const stats = decodeDedupStats(value!)
    for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += stats[name]
  }
  return sum
}

const ids = async () => (await readAll(topics.unique)).map(({ key }) => key!.toString()).sort()

beforeEach(async () => {
  stateDir = mkdtempSync(join(tmpdir(), 'weir-dedup-'))
  await ensureTopics({ settings, logger, specs: TOPIC_SPECS, replicationFactor: 1, minInsyncReplicas: 1 })
  lanes = await openLanes({
    ...{ settings, logger, topic: topics.received, lingerMs: 1, deadlineMs: 10_000 },
    ...{ batchRecordsMax: 500, batchBytesMax: 500_000, queueBytesMax: 10_000_000 },
  })
})

afterEach(async () => {
  await service?.stop()
  await lanes.close()
  rmSync(stateDir, { recursive: true, force: true })
})

it('lets each key pass once, over restarts with and without a checkpoint', async () => {
  const keys = Array.from({ length: 600 }, (_, i) => `call-${i}`)
  const sendAll = () => Promise.all(keys.map((id) => send(id, `{"id":"${id}"}`)))
  const decided = (received: number) =>
    vi.waitFor(async () => expect((await totals()).received).toBe(received), {
      timeout: 20_000,
      interval: 50,
    })

  service = await startDedup()
  await sendAll()
  await send('call-1', '{"other":"body"}')
  await send('call-1', '{"other":"body"}')
  await send('broken', '{', true)
  await send('broken', '{', true)
  await decided(604)

  await service.stop()
  await sendAll()
  service = await startDedup()
  await decided(1204)

  await service.stop()
  rmSync(stateDir, { recursive: true, force: true })
  await sendAll()
  service = await startDedup()
  await decided(1804)

  expect(await ids()).toEqual(keys.map((id) => `cxone|${id}`).sort())
  expect(await totals()).toEqual({
    ...{ received: 1804, unique: 600, duplicates: 1202, conflicts: 1, deadLettered: 1, rejected: 2 },
  })
  const letters = await readAll(topics.dedupDlq)
  expect(letters.map(({ headers }) => headers[HEADER.dlqReason]?.toString()).sort()).toEqual([
    'invalid_json',
    'key_conflict',
  ])
}, 60_000)
