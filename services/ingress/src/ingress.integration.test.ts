import { decodeReceivedWebhook, TOPIC_SPECS, topicNames } from '@weir/contracts'
import { ensureTopics, openMaintenance, openTopicReader } from '@weir/kafka'
import { freePorts } from '@weir/local-stack'
import { createLogger, Metrics } from '@weir/runtime'
import { sign, SOURCES } from '@weir/sources'
import { isolatedKafka } from '@weir/testkit'
import { expect, it, vi } from 'vitest'
import { service as ingress } from './index.ts'

const logger = createLogger('test', 'silent')
const SECRET = 'a secret of the tests'
const BODY =
  '{"interactionId":"i","eventType":"t","sequenceNumber":1,"dataActionId":"d","updatedTimestamp":"u","id":"i","type":"t","conversationId":"i","sessionId":"s","intent":"n","timestamp":1,"userId":"u"}'

const env = (brokers: string, port: number) => ({
  WEIR_PROFILE: 'dev',
  KAFKA_BROKERS: brokers,
  INGRESS_PORT: String(port),
  INGRESS_HOST: '127.0.0.1',
  SOURCE_CXONE_SECRETS: SECRET,
  SOURCE_CXONE_DATAACTION_SECRETS: SECRET,
  SOURCE_NICE_SECRETS: SECRET,
  SOURCE_COGNIGY_CIDRS: '127.0.0.1',
})

const postAll = (port: number) =>
  Promise.all(
    SOURCES.map(async ({ name, verifier }) => {
      const signature =
        verifier.kind === 'hmac' ? { [verifier.header]: sign(verifier, SECRET, Buffer.from(BODY)) } : {}
      const response = await fetch(`http://127.0.0.1:${port}/webhooks/${name}`, {
        method: 'POST',
        body: BODY,
        headers: { 'content-type': 'application/json', ...signature },
      })
      return response.status
    }),
  )

it('has written every webhook to the topic when it responds with 200', async () => {
  const settings = isolatedKafka('ingress')
  const [port = 0] = await freePorts(1)
  await ensureTopics({ settings, logger, specs: TOPIC_SPECS, replicationFactor: 1, minInsyncReplicas: 1 })
  const config = ingress.loadConfig({
    ...env(settings.kafkaBrokers.join(','), port),
    TOPIC_PREFIX: settings.topicPrefix,
    TOPIC_PARTITIONS: String(settings.topicPartitions),
  })
  const service = await ingress.start(config, { logger, metrics: new Metrics('ingress') })
  try {
    await vi.waitFor(() => expect(service.readiness()).toEqual([]), { timeout: 10_000 })
    expect(await postAll(port)).toEqual([200, 200, 200, 200])
  } finally {
    await service.stop()
  }
  const reader = await openTopicReader(settings, topicNames(settings.topicPrefix).received)
  const sources: string[] = []
  await reader.readToEnd((records) => {
    for (const record of records) sources.push(decodeReceivedWebhook(record).source)
  })
  await reader.close()
  expect(sources.sort()).toEqual(SOURCES.map(({ name }) => name).sort())
})

// It went on with the old count, and a repeat came to a partition that did not have its key.
it('responds with 503 once the topic has another number of partitions than configured', async () => {
  const settings = isolatedKafka('ingress')
  const [port = 0] = await freePorts(1)
  await ensureTopics({ settings, logger, specs: TOPIC_SPECS, replicationFactor: 1, minInsyncReplicas: 1 })
  const config = ingress.loadConfig({
    ...env(settings.kafkaBrokers.join(','), port),
    TOPIC_PREFIX: settings.topicPrefix,
    TOPIC_PARTITIONS: String(settings.topicPartitions),
  })
  const service = await ingress.start(config, { logger, metrics: new Metrics('ingress') })
  const { received, seen, unique } = topicNames(settings.topicPrefix)
  const maintenance = await openMaintenance({
    settings,
    service: 'dedup',
    changelogTopic: seen,
    outputs: [unique],
  })
  try {
    await vi.waitFor(() => expect(service.readiness()).toEqual([]), { timeout: 20_000 })
    expect(await postAll(port)).toEqual([200, 200, 200, 200])
    await maintenance.addPartitions([received], settings.topicPartitions + 2)
    await vi.waitFor(
      () =>
        expect(service.readiness()).toEqual([
          expect.stringMatching(
            /has 4 partitions and TOPIC_PARTITIONS is 2: keys would be in wrong partitions/,
          ),
        ]),
      { timeout: 30_000, interval: 100 },
    )
    expect(await postAll(port)).toEqual([503, 503, 503, 503])
  } finally {
    await maintenance.close()
    await service.stop()
  }
}, 90_000)

it('responds with 503 while no broker is available, and keeps running', async () => {
  const [port = 0] = await freePorts(1)
  const config = ingress.loadConfig({ ...env('127.0.0.1:1', port), INGRESS_REQUEST_BUDGET_MS: '1500' })
  const service = await ingress.start(config, { logger, metrics: new Metrics('ingress') })
  try {
    expect(await postAll(port)).toEqual([503, 503, 503, 503])
    expect(service.readiness()).toEqual(['waiting for Kafka'])
    expect((await fetch(`http://127.0.0.1:${port}/livez`)).status).toBe(200)
    expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(503)
  } finally {
    await service.stop()
  }
})
