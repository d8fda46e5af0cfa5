import { TOPIC_RECORD_BYTES_MIN, type TopicSpec } from '@weir/contracts'
import kafkajs, { type Admin, type RetryOptions } from 'kafkajs'
import { kafkaClient, kafkaErrorType } from '../client/kafka-client.ts'
import { RetriableError } from '../client/errors.ts'
import { untilLed } from '../client/topic-leaders.ts'
import type { KafkaLogger, KafkaSettings } from '../client/settings.ts'
import { silentLogger } from '../client/silent-logger.ts'
import { tlsAdvice } from '../client/tls-refusals.ts'
import { untilAvailable, type Waiting } from '../client/until-available.ts'

export interface TopicsOptions {
  readonly settings: KafkaSettings
  readonly logger: KafkaLogger
  readonly specs: readonly TopicSpec[]
  readonly replicationFactor: number
  readonly minInsyncReplicas: number
}

/** Compaction leaves the active segment alone: without a limit a quiet state topic would never shrink. */
const COMPACT_SEGMENT_MS = 3_600_000
/** Kafka's own default, which a cluster may have lowered. */
const MESSAGE_BYTES_MAX = 1_048_588
export const REPLICAS_MIN = 3
export const INSYNC_MIN = 2

/** Each attempt with connections of its own: the cluster may have another controller by then. */
export const withAdmin = <T>(
  what: string,
  settings: KafkaSettings,
  waiting: Waiting,
  use: (admin: Admin) => Promise<T>,
  retry?: RetryOptions,
): Promise<T> => {
  const kafka = kafkaClient({
    settings,
    logger: silentLogger,
    clientId: 'weir-topics',
    ...(retry && { retry }),
  })
  return untilAvailable(
    what,
    async () => {
      const admin = kafka.admin()
      try {
        await admin.connect()
        return await use(admin)
      } finally {
        await admin.disconnect().catch(() => undefined)
      }
    },
    waiting,
  )
}

/** Converts the `TypeError` that kafkajs throws when no broker responds to a `RetriableError`. */
export const existingTopics = async (admin: Admin): Promise<ReadonlySet<string>> => {
  try {
    return new Set(await admin.listTopics())
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw new RetriableError('no broker has told its topics', { cause: error })
  }
}

const partitionCount = (spec: TopicSpec, settings: KafkaSettings): number =>
  spec.coPartitioned ? settings.topicPartitions : 1

const configOf = (spec: TopicSpec, minInsyncReplicas: number): Record<string, string> => ({
  'cleanup.policy': spec.cleanup,
  'retention.ms': String(spec.retentionMs),
  'message.timestamp.type': 'LogAppendTime',
  'min.insync.replicas': String(minInsyncReplicas),
  'max.message.bytes': String(MESSAGE_BYTES_MAX),
  'unclean.leader.election.enable': 'false',
  ...(spec.cleanup === 'compact' && { 'segment.ms': String(COMPACT_SEGMENT_MS) }),
})

/**
 * Creates what is missing and leaves alone what exists: whether that is right, `checkTopics` says. Waits for the
 * cluster.
 */
export const ensureTopics = async (options: TopicsOptions): Promise<void> => {
  const { settings, logger, specs, replicationFactor, minInsyncReplicas } = options
  await withAdmin('creating topics', settings, { logger }, async (admin) => {
    const existing = await existingTopics(admin)
    const missing = specs.filter(({ name }) => !existing.has(settings.topicPrefix + name))
    if (missing.length === 0) return
    // Resolves to false when another process was faster, which is as good.
    await admin.createTopics({
      // kafkajs would fail on a broker that has not heard of the topic yet.
      waitForLeaders: false,
      topics: missing.map((spec) => ({
        topic: settings.topicPrefix + spec.name,
        numPartitions: partitionCount(spec, settings),
        replicationFactor,
        configEntries: Object.entries(configOf(spec, minInsyncReplicas)).map(([name, value]) => ({
          name,
          value,
        })),
      })),
    })
    await untilLed(
      admin,
      missing.map(({ name }) => settings.topicPrefix + name),
    )
    logger.info({ topics: missing.map(({ name }) => name) }, 'topics created')
  })
}

/**
 * Each way in which the cluster's topics differ from what Weir needs, as a message with the topic, the value and the
 * fix: missing, partition counts that differ, a delete policy or a finite retention on a compacted topic, CreateTime, a
 * limit of record sizes below what Weir writes, and, outside the dev profile, replication factor < 3 or
 * min.insync.replicas < 2, unclean leader election. Waits for the cluster; rejects when the signal is aborted.
 */
export const checkTopics = (options: {
  readonly settings: KafkaSettings
  readonly logger: KafkaLogger
  readonly signal?: AbortSignal
  readonly profile: 'production' | 'dev'
  readonly specs: readonly TopicSpec[]
}): Promise<readonly string[]> => {
  const { settings, profile, specs } = options
  return withAdmin('looking at the topics', settings, options, async (admin) => {
    const existing = await existingTopics(admin)
    const messages: string[] = []
    const present: TopicSpec[] = []
    for (const spec of specs) {
      const topic = settings.topicPrefix + spec.name
      if (existing.has(topic)) present.push(spec)
      else messages.push(`topic ${topic} is missing: create the topics with \`weir topics\``)
    }
    if (present.length === 0) return messages
    const names = present.map(({ name }) => settings.topicPrefix + name)
    const { topics } = await admin.fetchTopicMetadata({ topics: names })
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: names.map((name) => ({ type: kafkajs.ConfigResourceTypes.TOPIC, name })),
    })
    for (const spec of present) {
      const topic = settings.topicPrefix + spec.name
      const { partitions } = topics.find(({ name }) => name === topic)!
      const entries = resources.find(({ resourceName }) => resourceName === topic)!.configEntries
      const config = new Map(entries.map(({ configName, configValue }) => [configName, configValue]))
      messages.push(
        ...faultsOf(spec, {
          topic,
          profile,
          config,
          partitions: partitions.length,
          partitionsWanted: partitionCount(spec, settings),
          replicas: Math.min(...partitions.map(({ replicas }) => replicas.length)),
        }),
      )
    }
    return messages
  })
}

interface FoundTopic {
  readonly topic: string
  readonly profile: 'production' | 'dev'
  readonly config: ReadonlyMap<string, string>
  readonly partitions: number
  readonly partitionsWanted: number
  readonly replicas: number
}

const faultsOf = (spec: TopicSpec, found: FoundTopic): string[] => {
  const { topic, config, partitions, partitionsWanted, replicas, profile } = found
  const faults: string[] = []
  const fault = (what: string, fix: string) => faults.push(`topic ${topic} ${what}: ${fix}`)
  if (partitions !== partitionsWanted) {
    fault(
      `has ${partitions} partitions and ${partitionsWanted} are configured`,
      `set TOPIC_PARTITIONS=${partitions}; for more, stop every service and run \`weir dedup repartition\`: adding partitions alone would move keys away from their state`,
    )
  }
  const expect = (name: string, wanted: string) => {
    const value = config.get(name)
    if (value !== wanted) fault(`has ${name}=${value}`, `set ${name}=${wanted}`)
  }
  if (spec.cleanup === 'compact') {
    expect('cleanup.policy', 'compact')
    expect('retention.ms', '-1')
  }
  expect('message.timestamp.type', 'LogAppendTime')
  const recordBytesMax = Number(config.get('max.message.bytes'))
  if (recordBytesMax < TOPIC_RECORD_BYTES_MIN) {
    fault(`has max.message.bytes=${recordBytesMax}`, `raise it to at least ${TOPIC_RECORD_BYTES_MIN}`)
  }
  if (profile === 'dev') return faults
  if (replicas < REPLICAS_MIN) {
    fault(
      `has replication factor ${replicas}`,
      `raise it to ${REPLICAS_MIN}, or set WEIR_PROFILE=dev for a trial`,
    )
  }
  const inSync = Number(config.get('min.insync.replicas'))
  if (inSync < INSYNC_MIN) fault(`has min.insync.replicas=${inSync}`, `set it to ${INSYNC_MIN}`)
  expect('unclean.leader.election.enable', 'false')
  return faults
}

const REFUSED = new Set(['SASL_AUTHENTICATION_FAILED', 'KafkaJSSASLAuthenticationError'])

/**
 * Resolves when the cluster responds, and logs a line every 10 s until then. Rejects when the signal is aborted, when
 * the brokers reject the SASL user, or when their certificate is not accepted.
 */
export const waitForBrokers = async (
  settings: KafkaSettings,
  logger: KafkaLogger,
  signal?: AbortSignal,
): Promise<void> => {
  const { length } = settings.kafkaBrokers
  const isFinal = (error: unknown): boolean => tlsAdvice(error) !== undefined
  try {
    const ask = (admin: Admin) => admin.describeCluster()
    await withAdmin(
      `reaching ${settings.kafkaBrokers.join(', ')}`,
      settings,
      { logger, signal, isFinal },
      ask,
      { retries: length },
    )
  } catch (error) {
    const advice = REFUSED.has(kafkaErrorType(error))
      ? 'the brokers refuse the SASL user: check KAFKA_SASL_USERNAME and its password'
      : tlsAdvice(error)
    throw advice === undefined ? error : new Error(advice, { cause: error })
  }
}
