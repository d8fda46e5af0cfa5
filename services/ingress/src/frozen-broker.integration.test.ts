import { TOPIC_SPECS } from '@weir/contracts'
import { ensureTopics } from '@weir/kafka'
import { freePorts } from '@weir/local-stack'
import { createLogger, Metrics, type Service } from '@weir/runtime'
import { isolatedFolders, isolatedKafka, ownKafka, ownServersMissing, type OwnServer } from '@weir/testkit'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { service as ingress } from './index.ts'

const missing = await ownServersMissing()
if (missing !== undefined) process.stderr.write(`Frozen brokers are not tested: ${missing}\n`)

const logger = createLogger('test', 'silent')
let kafka: OwnServer | undefined
let service: Service | undefined
let port = 0

beforeAll(async () => {
  if (missing !== undefined) return
  kafka = await ownKafka(isolatedFolders('frozen'))
  const settings = { ...isolatedKafka('frozen', 1), kafkaBrokers: [kafka.url] }
  await ensureTopics({ settings, logger, specs: TOPIC_SPECS, replicationFactor: 1, minInsyncReplicas: 1 })
  port = (await freePorts(1))[0]!
  const config = ingress.loadConfig({
    WEIR_PROFILE: 'dev',
    INGRESS_HOST: '127.0.0.1',
    INGRESS_PORT: String(port),
    KAFKA_BROKERS: kafka.url,
    TOPIC_PREFIX: settings.topicPrefix,
    TOPIC_PARTITIONS: '1',
    SOURCE_COGNIGY_CIDRS: '127.0.0.1',
  })
  service = await ingress.start(config, { logger, metrics: new Metrics('ingress') })
}, 120_000)
afterAll(async () => {
  await kafka?.thaw()
  await service?.stop()
  await kafka?.close()
}, 60_000)

const post = async (sessionId: string) => {
  const startedAt = performance.now()
  const response = await fetch(`http://127.0.0.1:${port}/webhooks/cognigy`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ conversationId: 'c', sessionId, intent: 'i', timestamp: 1, userId: 'u' }),
  })
  await response.text()
  return { status: response.status, ms: performance.now() - startedAt }
}

const postAll = (round: string) => Promise.all(Array.from({ length: 20 }, (_, n) => post(`${round}-${n}`)))

it.skipIf(missing !== undefined)(
  'S1-06 is answered within 5 s while the brokers are frozen, and taken once they are not',
  async () => {
    await vi.waitFor(async () => expect((await post('before')).status).toBe(200), { timeout: 30_000 })
    await kafka!.freeze()
    try {
      // What is under way when it happens: a process that is stopped may still have answered the first of them.
      const [underWay, later] = [await postAll('first'), await postAll('second')]
      expect(underWay.map(({ status }) => status)).toContain(503)
      expect(new Set(later.map(({ status }) => status))).toEqual(new Set([503]))
      for (const { ms } of [...underWay, ...later]) expect(ms).toBeLessThan(5_000)
    } finally {
      await kafka!.thaw()
    }
    await vi.waitFor(async () => expect((await post('after')).status).toBe(200), { timeout: 30_000 })
  },
  120_000,
)
