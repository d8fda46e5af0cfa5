import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  approvedShapeKey,
  decodeObservedShape,
  encodeReceivedWebhook,
  entityKeyOf,
  eventKeyOf,
  HEADER,
  TOPIC_SPECS,
  topicNames,
  type ObservedShape,
} from '@weir/contracts'
import { EventReader } from '@weir/event-codec'
import {
  ensureTopics,
  openLanes,
  openTopicReader,
  partitionOf,
  type InputRecord,
  type Lanes,
} from '@weir/kafka'
import { createLogger, Metrics, type Service } from '@weir/runtime'
import {
  installPython,
  isolatedFolders,
  isolatedKafka,
  ownRegistry,
  ownServersMissing,
  testServers,
} from '@weir/testkit'
import { afterEach, beforeEach, expect, it, onTestFinished, vi } from 'vitest'
import { service as normalizer } from './index.ts'
import { computeShape } from './schemas/shape.ts'

const logger = createLogger('normalizer-test', process.env.TEST_LOG ?? 'silent')
const WAIT = { timeout: 60_000, interval: 100 }
let settings = isolatedKafka('normalizer')
let topics = topicNames(settings.topicPrefix)
let folder = ''
const services: Service[] = []
const lanes = new Map<string, Lanes>()

const startNormalizer = async (mappings = '', env: Record<string, string> = {}): Promise<Service> => {
  const file = join(folder, 'mappings.yaml')
  writeFileSync(file, mappings)
  const config = normalizer.loadConfig({
    WEIR_PROFILE: 'dev',
    KAFKA_BROKERS: settings.kafkaBrokers.join(','),
    TOPIC_PREFIX: settings.topicPrefix,
    TOPIC_PARTITIONS: String(settings.topicPartitions),
    KAFKA_SESSION_TIMEOUT_MS: '6000',
    SCHEMA_REGISTRY_URL: testServers().registryUrl,
    NORMALIZER_PROBE_PORT: '0',
    MAPPINGS_FILE: file,
    ...env,
  })
  const service = await normalizer.start(config, { logger, metrics: new Metrics('normalizer') })
  services.push(service)
  return service
}

const send = async (topic: string, id: string, body: object, source = 'cxone-dataaction', headers = {}) => {
  const lane = lanes.get(topic) ?? (await open(topic))
  const record = encodeReceivedWebhook({
    source,
    interactionId: id,
    entityKey: entityKeyOf(source, id),
    dedupKey: id,
    eventType: 'done',
    eventKey: eventKeyOf(source, id),
    bodyHash: Buffer.alloc(8, 3),
    receivedAt: 1_700_000_000_000,
    raw: Buffer.from(JSON.stringify(body)),
  })
  const partition = topic === topics.schemasApproved ? 0 : partitionOf(record.key, settings.topicPartitions)
  await lane.send(partition, { ...record, headers: { ...record.headers, ...headers } })
}

const open = async (topic: string): Promise<Lanes> => {
  const lane = await openLanes({
    settings,
    logger,
    topic,
    lingerMs: 1,
    deadlineMs: 20_000,
    batchRecordsMax: 500,
    batchBytesMax: 500_000,
    queueBytesMax: 10_000_000,
  })
  lanes.set(topic, lane)
  return lane
}

const readAll = async (topic: string): Promise<InputRecord[]> => {
  const reader = await openTopicReader(settings, topic)
  const all: InputRecord[] = []
  await reader.readToEnd((records) => void all.push(...records))
  await reader.close()
  return all
}

const observed = async (): Promise<ReadonlyMap<string, ObservedShape>> => {
  const shapes = (await readAll(topics.schemasObserved)).flatMap(
    ({ value }) => decodeObservedShape(value) ?? [],
  )
  return new Map(shapes.map((shape) => [shape.fingerprint, shape]))
}

const settled = (normalized: number, letters = 0) =>
  vi.waitFor(async () => {
    expect(await readAll(topics.normalized)).toHaveLength(normalized)
    expect(await readAll(topics.normalizerDlq)).toHaveLength(letters)
  }, WAIT)

beforeEach(async () => {
  settings = isolatedKafka('normalizer')
  topics = topicNames(settings.topicPrefix)
  folder = mkdtempSync(join(tmpdir(), 'weir-normalizer-'))
  await ensureTopics({ settings, logger, specs: TOPIC_SPECS, replicationFactor: 1, minInsyncReplicas: 1 })
})

afterEach(async () => {
  await Promise.all(services.splice(0).map((service) => service.stop()))
  await Promise.all([...lanes.values()].map((lane) => lane.close()))
  lanes.clear()
  rmSync(folder, { recursive: true })
})

it('numbers each shape once across instances and restarts, and counts its events exactly', async () => {
  await startNormalizer()
  await startNormalizer()
  const shapes = [{}, { agent_skills: ['x'] }, { agent_skills: ['x'], interaction_metadata: { priority: 1 } }]
  const sendAll = async (round: string) => {
    for (const [index, extra] of shapes.entries()) {
      const ids = Array.from({ length: 20 }, (_, i) => `${round}-${index}-${i}`)
      await Promise.all(ids.map((id) => send(topics.unique, id, { id, type: 'done', ...extra })))
    }
  }
  const counted = (each: number) =>
    vi.waitFor(async () => {
      expect([...(await observed()).values()].map(({ count }) => count)).toEqual([each, each, each])
    }, WAIT)
  await sendAll('first')
  await settled(60)
  await counted(20)
  // The sink compares the body with this checksum.
  for (const { headers } of await readAll(topics.normalized)) expect(headers).toHaveProperty('body-crc32')
  const before = await observed()
  expect([...before.values()].map(({ version }) => version).sort()).toEqual([2, 3, 4])
  const newest = before.get(computeShape({ id: '', type: '', ...shapes[2] }).fingerprint)!
  expect(newest.fields).toEqual(['agent_skills', 'id', 'interaction_metadata', 'type'])

  await Promise.all(services.splice(0).map((service) => service.stop()))
  await startNormalizer()
  await sendAll('second')
  await counted(40)
  for (const [fingerprint, { version }] of await observed()) {
    expect(version).toBe(before.get(fingerprint)?.version)
  }
}, 120_000)

it('holds events of a shape as dead letters, and accepts their replay once the shape is approved', async () => {
  await startNormalizer('sources: { cognigy: { unknownFields: reject } }')
  const body = { conversationId: 'c', sessionId: 's', intent: 'i', timestamp: 1, userId: 'u', extra: true }
  await send(topics.unique, 'held', body, 'cognigy')
  await settled(0, 1)
  const [letter] = await readAll(topics.normalizerDlq)
  const { fingerprint } = computeShape(body)
  expect(letter!.headers[HEADER.dlqReason]?.toString()).toBe('unknown_field')
  expect(letter!.headers[HEADER.dlqShape]?.toString()).toBe(fingerprint)

  const key = Buffer.from(approvedShapeKey('cognigy', fingerprint))
  const value = Buffer.from(
    JSON.stringify({ source: 'cognigy', fingerprint, approvedBy: 'test', approvedAt: 1 }),
  )
  await (await open(topics.schemasApproved)).send(0, { key, value, headers: {} })
  await send(topics.normalizerReplay, 'held', body, 'cognigy', { [HEADER.replayCount]: Buffer.from('1') })
  await settled(1, 1)
}, 90_000)

it('parks only the source whose events fail in large numbers; a replay by reason returns exactly its letters', async () => {
  const schema = 'sources: { cxone-dataaction: { jsonSchema: { type: object, required: [gone] } } }'
  const env = { NORMALIZER_MASS_FAILURE_RECORDS_MIN: '20', NORMALIZER_LINGER_MS: '200' }
  const bot = (id: string) => ({ conversationId: id, sessionId: 's', intent: 'i', timestamp: 1, userId: 'u' })
  const sendBad = (round: string, count: number) =>
    Promise.all(
      Array.from({ length: count }, (_, i) =>
        send(topics.unique, `${round}-${i}`, { id: `${i}`, type: 't' }),
      ),
    )
  await sendBad('bad', 302)
  const service = await startNormalizer(schema, env)
  await vi.waitFor(() => expect(service.parked?.()).toHaveLength(2), WAIT)
  // In each partition the bad ones come before these, and more come among them.
  const good = Array.from({ length: 40 }, (_, i) => `good-${i}`)
  await Promise.all([sendBad('later', 40), ...good.map((id) => send(topics.unique, id, bot(id), 'cognigy'))])
  await settled(40, 342)
  expect(service.readiness()).toEqual([])
  expect(service.parked?.()[0]).toContain(
    'weir dlq replay normalizer --reason source_parked --source cxone-dataaction',
  )
  const letters = await readAll(topics.normalizerDlq)
  for (const { headers } of letters) {
    expect(headers[HEADER.dlqReason]?.toString()).toBe('source_parked')
    expect(headers[HEADER.dlqError]?.toString()).toMatch(/^schema_violation: /)
  }
  expect((await readAll(topics.normalized)).map(({ headers }) => headers[HEADER.source]?.toString())).toEqual(
    good.map(() => 'cognigy'),
  )

  await services.pop()!.stop()
  const corrected = await startNormalizer('', env)
  const replay = await open(topics.normalizerReplay)
  for (const { partition, key, value, headers } of letters)
    await replay.send(partition, { key: key!, value, headers })
  await settled(382, 342)
  expect(corrected.parked?.()).toEqual([])
}, 120_000)

it('continues with known schemas while the registry is away, and waits where it needs a schema, without dead letters', async ({
  skip,
}) => {
  const missing = await ownServersMissing()
  if (missing !== undefined) {
    process.stderr.write(`skipped: the registry's outage, because ${missing}\n`)
    return skip(missing)
  }
  const registry = await ownRegistry(isolatedFolders('registry-away'))
  onTestFinished(() => registry.close())
  const env = { SCHEMA_REGISTRY_URL: registry.url }
  const sendTen = (round: string) =>
    Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        send(topics.unique, `${round}-${i}`, { id: `${i}`, type: 'done' }),
      ),
    )
  await startNormalizer('', env)
  await sendTen('before')
  await settled(10)

  await registry.stop()
  await sendTen('known')
  await settled(20)

  await Promise.all(services.splice(0).map((service) => service.stop()))
  const started = await startNormalizer('', env)
  await sendTen('unknown')
  await vi.waitFor(() => expect(started.readiness().join()).toContain('is backing_off'), WAIT)
  await settled(20)

  await registry.start()
  await settled(30)
  await vi.waitFor(() => expect(started.readiness()).toEqual([]), WAIT)
}, 150_000)

it('writes events that an independent Avro implementation reads', async (context) => {
  const python = installPython(['fastavro==1.12.0'], ['fastavro'])
  onTestFinished(() => python.remove())
  if (python.unavailable !== undefined) {
    process.stderr.write(`skipped: the independent reader, because ${python.unavailable}\n`)
    return context.skip(python.unavailable)
  }
  await startNormalizer()
  await send(topics.unique, 'evt-1', { id: 'evt-1', type: 't', agent_skills: ['é'] })
  await settled(1)
  const [record] = await readAll(topics.normalized)
  const event = await new EventReader(testServers()).decode(record!.value!)
  expect(event).toMatchObject({ interactionId: 'evt-1', attributes: { agent_skills: '["é"]' }, fixUp: null })

  const id = record!.value!.readInt32BE(1)
  const answer = await fetch(`${testServers().registryUrl}/schemas/ids/${id}`)
  const { schema } = (await answer.json()) as { schema: string }
  const read = python.run(
    `
import fastavro, io
schema = fastavro.parse_schema(json.loads(given["schema"]))
event = fastavro.schemaless_reader(io.BytesIO(bytes.fromhex(given["hex"])[5:]), schema)
result = {k: v for k, v in event.items() if not isinstance(v, bytes)}`,
    { schema, hex: record!.value!.toString('hex') },
  )
  const { bodyHash: _, raw: __, ...texts } = event
  expect(read).toEqual(texts)
}, 90_000)
