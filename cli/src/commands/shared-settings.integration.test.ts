import { TOPIC_SPECS } from '@weir/contracts'
import { service as ingress } from '@weir/ingress'
import { ensureTopics } from '@weir/kafka'
import { service as replay } from '@weir/replay'
import { ConfigError, createLogger, Metrics } from '@weir/runtime'
import { isolatedKafka, testServers } from '@weir/testkit'
import { expect, it, onTestFinished, vi } from 'vitest'

const logger = createLogger('test', 'silent')

// Fixed bodies would have got other hashes than ingress gives, and each of them would have been a conflict.
it('replay does not start with another BODY_HASH_KEY than ingress has', async () => {
  const settings = isolatedKafka('shared')
  await ensureTopics({ settings, logger, specs: TOPIC_SPECS, replicationFactor: 1, minInsyncReplicas: 1 })
  const env = {
    WEIR_PROFILE: 'dev',
    KAFKA_BROKERS: settings.kafkaBrokers.join(','),
    TOPIC_PREFIX: settings.topicPrefix,
    TOPIC_PARTITIONS: String(settings.topicPartitions),
    SCHEMA_REGISTRY_URL: testServers().registryUrl,
    SOURCE_CXONE_SECRETS: 'a secret of the tests',
    REPLAY_TOKENS: 'test:a token of the tests',
    INGRESS_PORT: '0',
    REPLAY_PORT: '0',
    BODY_HASH_KEY: 'one key of the tests',
  }
  const running = await ingress.start(ingress.loadConfig(env), { logger, metrics: new Metrics('ingress') })
  onTestFinished(() => running.stop())
  await vi.waitFor(() => expect(running.readiness()).toEqual([]), { timeout: 30_000 })
  const other = replay.loadConfig({ ...env, BODY_HASH_KEY: 'another key of the tests' })
  const refused = replay.start(other, { logger, metrics: new Metrics('replay') })
  await expect(refused).rejects.toThrow(ConfigError)
  await expect(refused).rejects.toThrow(
    /BODY_HASH_KEY is fingerprint \w+ here and fingerprint \w+ for ingress/,
  )
  const same = await replay.start(replay.loadConfig(env), { logger, metrics: new Metrics('replay') })
  await same.stop()
}, 90_000)
