import { join } from 'node:path'
import {
  KAFKA_SERVICES,
  portVariable,
  rightsOf,
  TOPIC_SPECS,
  topicNames,
  type ServiceName,
} from '@weir/contracts'
import { ensureTopics, openLanes } from '@weir/kafka'
import { grant, readAll } from '@weir/kafka/testing'
import { freePorts } from '@weir/local-stack'
import { createLogger, Metrics, type Environment, type Service } from '@weir/runtime'
import { sign, SOURCES } from '@weir/sources'
import {
  isolatedDatabase,
  isolatedFolders,
  isolatedKafka,
  ownServersMissing,
  secureKafka,
  testServers,
  type SecureKafka,
} from '@weir/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ALL_SERVICES } from './all-services.ts'

const missing = await ownServersMissing()
if (missing !== undefined) process.stderr.write(`rights of services are not tested: ${missing}\n`)

const SECRET = 'cW0d8pZ2-7hVq4sLr9Yt1Nx5Kb3Mf6Gj'
const TEST_MS_MAX = 180_000
const soon = { timeout: 60_000, interval: 100 }
const logger = createLogger('rights', 'silent')

describe.skipIf(missing !== undefined)(
  'with the rights that the page gives, and no other',
  { timeout: TEST_MS_MAX },
  () => {
    const isolated = isolatedKafka('rights', 1)
    const topics = topicNames(isolated.topicPrefix)
    const running = new Map<ServiceName, Service>()
    let kafka: SecureKafka
    let ingressPort = 0

    const admin = () => ({ ...isolated, kafkaBrokers: [kafka.plain] })
    const asUser = (user: string) => ({
      ...isolated,
      kafkaBrokers: [kafka.sasl],
      kafkaSsl: true,
      kafkaCa: kafka.ca,
      kafkaUser: user,
      kafkaPassword: SECRET,
      kafkaMechanism: 'scram-sha-512' as const,
    })

    beforeAll(async () => {
      const folders = isolatedFolders('rights')
      const users = Object.fromEntries(KAFKA_SERVICES.map((name) => [name, SECRET]))
      kafka = await secureKafka(folders, users, {
        'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
        // Of the listeners without TLS, that is of the brokers and of the administrator here.
        'super.users': 'User:ANONYMOUS',
      })
      const replicas = { replicationFactor: 1, minInsyncReplicas: 1 }
      await ensureTopics({ settings: admin(), logger, specs: TOPIC_SPECS, ...replicas })
      for (const name of KAFKA_SERVICES) await grant(admin(), name, rightsOf(name, isolated.topicPrefix))
      const ports = await freePorts(KAFKA_SERVICES.length)
      ingressPort = ports[KAFKA_SERVICES.indexOf('ingress')]!
      const { registryUrl } = testServers()
      const shared: Environment = {
        WEIR_PROFILE: 'dev',
        KAFKA_BROKERS: kafka.sasl,
        KAFKA_SSL: 'true',
        KAFKA_SSL_CA: kafka.ca,
        KAFKA_SASL_PASSWORD: SECRET,
        TOPIC_PREFIX: isolated.topicPrefix,
        TOPIC_PARTITIONS: '1',
        KAFKA_SESSION_TIMEOUT_MS: '6000',
        SCHEMA_REGISTRY_URL: registryUrl,
        BODY_HASH_KEY: SECRET,
        DATABASE_URL: await isolatedDatabase('rights'),
        REPLAY_TOKENS: `ann:${SECRET}`,
        CONSOLE_TOKENS: SECRET,
        SOURCE_CXONE_SECRETS: SECRET,
        STATE_DIR: join(folders.state, 'dedup'),
        STATS_WINDOW_SECS: '1',
        INGRESS_HOST: '127.0.0.1',
        CONSOLE_HOST: '127.0.0.1',
        PROBE_HOST: '127.0.0.1',
        ...Object.fromEntries(KAFKA_SERVICES.map((name, at) => [portVariable(name), String(ports[at])])),
      }
      for (const name of KAFKA_SERVICES) {
        const definition = ALL_SERVICES.find((service) => service.name === name)!
        const config = definition.loadConfig({ ...shared, KAFKA_SASL_USERNAME: name })
        const service = await definition.start(config, { logger, metrics: new Metrics(name) })
        service.failed.catch(() => undefined)
        running.set(name, service)
      }
    }, TEST_MS_MAX)
    afterAll(async () => {
      await Promise.all([...running.values()].map((service) => service.stop()))
      await kafka.close()
    }, TEST_MS_MAX)

    it.each(KAFKA_SERVICES)('%s gets ready', async (name) => {
      const service = running.get(name)!
      await expect.poll(() => [...service.readiness(), ...(service.parked?.() ?? [])], soon).toEqual([])
    })

    it('an event passes every service, and a malformed body becomes a letter', async () => {
      const { verifier } = SOURCES.find(({ name }) => name === 'cxone')!
      if (verifier.kind !== 'hmac') throw new Error('cxone is signed by HMAC')
      const post = async (body: string) => {
        const response = await fetch(`http://127.0.0.1:${ingressPort}/webhooks/cxone`, {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            [verifier.header]: sign(verifier, SECRET, Buffer.from(body)),
          },
          body,
        })
        return response.status
      }
      const event = {
        eventId: 'rights-1',
        eventType: 'CALL_CONNECTED',
        interactionId: 'i-1',
        timestamp: '2026-01-01T00:00:00Z',
      }
      expect(await post(JSON.stringify(event))).toBeLessThan(300)
      await post('{"broken":')
      const countOn = async (topic: string) => (await readAll(admin(), topic)).length
      await expect.poll(() => countOn(topics.normalized), soon).toBe(1)
      await expect.poll(() => countOn(topics.dedupDlq), soon).toBe(1)
      // A stage notes that it has read a topic in the transaction of its first offset.
      const started = async () => (await readAll(admin(), topics.starts)).map(({ key }) => String(key))
      for (const [stage, topic] of [
        ['dedup', topics.received],
        ['normalizer', topics.unique],
        ['persistence', topics.normalized],
        ['metric-export', topics.stats],
      ] as const) {
        await expect.poll(started, soon).toContain(`${isolated.topicPrefix}${stage}|${topic}`)
      }
    })

    it.each([
      ['dedup', 'received'],
      ['ingress', 'unique'],
      ['normalizer', 'dedupReplay'],
      ['console', 'received'],
      ['metric-export', 'stats'],
    ] as const)('%s cannot write to %s', async (user, role) => {
      const lanes = await openLanes({
        settings: asUser(user),
        logger,
        topic: topics[role],
        lingerMs: 0,
        deadlineMs: 5_000,
        batchRecordsMax: 10,
        batchBytesMax: 100_000,
        queueBytesMax: 1_000_000,
      })
      const sent = lanes.send(0, { key: Buffer.from('k'), value: Buffer.from('v'), headers: {} })
      await expect(sent).rejects.toThrow()
      await lanes.close()
    })
  },
)
