import kafkajs, { type Admin } from 'kafkajs'
import { kafkaErrorType } from '../client/kafka-client.ts'
import type { KafkaLogger, KafkaSettings } from '../client/settings.ts'
import { existingTopics, INSYNC_MIN, REPLICAS_MIN, withAdmin } from './topics.ts'

/** Kafka's own topics with the committed offsets and the outcomes of transactions. Brokers create them at first use. */
const INTERNAL = [
  {
    topic: '__transaction_state',
    replicas: 'transaction.state.log.replication.factor',
    inSync: 'transaction.state.log.min.isr',
  },
  {
    topic: '__consumer_offsets',
    replicas: 'offsets.topic.replication.factor',
    inSync: 'min.insync.replicas',
  },
] as const

const UNAUTHORISED = new Set(['TOPIC_AUTHORIZATION_FAILED', 'CLUSTER_AUTHORIZATION_FAILED'])

interface Durability {
  readonly topic: string
  readonly replicas: number
  readonly inSync: number
}

/**
 * Checks the durability of Kafka's own topics. Each returned message names a problem with its value and the fix: fewer
 * than 3 replicas, or a minimum of fewer than 2 in-sync replicas. The dev profile logs the problems as a warning
 * instead. Missing permissions are a warning in both profiles.
 */
export const checkInternalTopics = async (options: {
  readonly settings: KafkaSettings
  readonly logger: KafkaLogger
  readonly signal?: AbortSignal
  readonly profile: 'production' | 'dev'
}): Promise<readonly string[]> => {
  const { settings, logger, profile } = options
  let found: readonly Durability[]
  try {
    found = await withAdmin("checking the brokers' own topics", settings, options, durabilities)
  } catch (error) {
    const type = kafkaErrorType(error)
    if (!UNAUTHORISED.has(type)) throw error
    logger.warn(
      { error: type },
      `the durability of ${INTERNAL.map(({ topic }) => topic).join(' and ')} could not be checked: give Weir's user DESCRIBE and DESCRIBE_CONFIGS on them and on the cluster`,
    )
    return []
  }
  const faults = found.flatMap(faultsOf)
  if (profile === 'production') return faults
  if (faults.length > 0)
    logger.warn({ faults }, 'the loss of one broker can lose commits: use this cluster for trials only')
  return []
}

const faultsOf = ({ topic, replicas, inSync }: Durability): readonly string[] => {
  const { replicas: replicasName, inSync: inSyncName } = INTERNAL.find((one) => one.topic === topic)!
  const faults: string[] = []
  if (replicas < REPLICAS_MIN) {
    faults.push(
      `topic ${topic} has replication factor ${replicas}: the loss of one broker can lose commits; raise it to ` +
        `${REPLICAS_MIN} with kafka-reassign-partitions (${replicasName} for a new cluster), or set WEIR_PROFILE=dev for a trial`,
    )
  }
  if (inSync < INSYNC_MIN) {
    faults.push(
      `topic ${topic} has min.insync.replicas=${inSync}: a commit may exist on only one broker; set it to ${INSYNC_MIN} ` +
        `with kafka-configs on the topic (${inSyncName} for a new cluster)`,
    )
  }
  return faults
}

const durabilities = async (admin: Admin): Promise<readonly Durability[]> => {
  const existing = await existingTopics(admin)
  const present = INTERNAL.filter(({ topic }) => existing.has(topic))
  const absent = INTERNAL.filter(({ topic }) => !existing.has(topic))
  const found = [...(await ofTopics(admin, present)), ...(await ofBrokers(admin, absent))]
  // Keeps one order, independent of which topics exist and of the order of responses.
  return INTERNAL.flatMap(({ topic }) => found.filter((one) => one.topic === topic))
}

type Internal = (typeof INTERNAL)[number]

const ofTopics = async (admin: Admin, wanted: readonly Internal[]): Promise<readonly Durability[]> => {
  if (wanted.length === 0) return []
  const names = wanted.map(({ topic }) => topic)
  const { topics } = await admin.fetchTopicMetadata({ topics: names })
  const configs = await configsOf(admin, kafkajs.ConfigResourceTypes.TOPIC, names)
  return topics.map(({ name, partitions }) => ({
    topic: name,
    replicas: Math.min(...partitions.map(({ replicas }) => replicas.length)),
    inSync: Number(configs.get(name)?.get('min.insync.replicas')),
  }))
}

/** The settings with which the brokers will create the topics. */
const ofBrokers = async (admin: Admin, wanted: readonly Internal[]): Promise<readonly Durability[]> => {
  if (wanted.length === 0) return []
  const { brokers } = await admin.describeCluster()
  const node = String(brokers[0]!.nodeId)
  const config = (await configsOf(admin, kafkajs.ConfigResourceTypes.BROKER, [node])).get(node)
  return wanted.map(({ topic, replicas, inSync }) => ({
    topic,
    replicas: Number(config?.get(replicas)),
    inSync: Number(config?.get(inSync)),
  }))
}

const configsOf = async (
  admin: Admin,
  type: kafkajs.ConfigResourceTypes,
  names: readonly string[],
): Promise<ReadonlyMap<string, ReadonlyMap<string, string>>> => {
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: names.map((name) => ({ type, name })),
  })
  return new Map(
    resources.map(({ resourceName, configEntries }) => [
      resourceName,
      new Map(configEntries.map(({ configName, configValue }) => [configName, configValue])),
    ]),
  )
}
