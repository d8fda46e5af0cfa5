import kafkajs, { type Admin } from 'kafkajs'
import type { Right } from '@weir/contracts'
import { kafkaClient } from '../client/kafka-client.ts'
import { openTopicReader } from '../read/topic-reader.ts'
import type { InputRecord } from '../protocol/record.ts'
import type { KafkaSettings } from '../client/settings.ts'
import { silentLogger } from '../client/silent-logger.ts'
import { untilLed } from '../client/topic-leaders.ts'

export const withAdmin = async <T>(
  settings: KafkaSettings,
  use: (admin: Admin) => Promise<T>,
): Promise<T> => {
  const admin = kafkaClient({ settings, logger: silentLogger, clientId: 'weir-test' }).admin()
  await admin.connect()
  try {
    return await use(admin)
  } finally {
    await admin.disconnect()
  }
}

/** Topic in which the processors of these settings note where they began. */
export const startsTopicOf = ({ topicPrefix }: KafkaSettings): string => `${topicPrefix}started`

/** Creates topics with the prefix of `settings`. Resolves to their full names when each partition has a leader. */
export const createTopics = async (
  settings: KafkaSettings,
  names: readonly string[],
  config: Readonly<Record<string, string>> = {},
  partitions = settings.topicPartitions,
): Promise<string[]> => {
  const topics = names.map((name) => `${settings.topicPrefix}${name}`)
  await withAdmin(settings, async (admin) => {
    await admin.createTopics({
      waitForLeaders: false,
      topics: [
        { topic: startsTopicOf(settings), numPartitions: settings.topicPartitions },
        ...topics.map((topic) => ({
          topic,
          numPartitions: partitions,
          configEntries: Object.entries(config).map(([name, value]) => ({ name, value })),
        })),
      ],
    })
    await untilLed(admin, [startsTopicOf(settings), ...topics])
  })
  return topics
}

/** All readable records of a topic, ordered by partition. */
export const readAll = async (settings: KafkaSettings, topic: string): Promise<InputRecord[]> => {
  const reader = await openTopicReader(settings, topic)
  try {
    const all: InputRecord[] = []
    await reader.readToEnd((records) => void all.push(...records))
    return all
  } finally {
    await reader.close()
  }
}

/** Writes an aborted record and its marker to a partition. */
export const writeAborted = async (
  settings: KafkaSettings,
  topic: string,
  partition: number,
): Promise<void> => {
  const producer = kafkaClient({ settings, logger: silentLogger, clientId: 'weir-test' }).producer({
    transactionalId: `${settings.topicPrefix}aborts`,
    maxInFlightRequests: 1,
  })
  await producer.connect()
  try {
    const transaction = await producer.transaction()
    await transaction.send({ topic, acks: -1, messages: [{ key: 'k', value: 'aborted', partition }] })
    await transaction.abort()
  } finally {
    await producer.disconnect()
  }
}

const OPERATIONS = {
  Read: kafkajs.AclOperationTypes.READ,
  Write: kafkajs.AclOperationTypes.WRITE,
  DescribeConfigs: kafkajs.AclOperationTypes.DESCRIBE_CONFIGS,
} as const
const RESOURCES = {
  topic: kafkajs.AclResourceTypes.TOPIC,
  group: kafkajs.AclResourceTypes.GROUP,
  'transactional id': kafkajs.AclResourceTypes.TRANSACTIONAL_ID,
} as const
const PATTERNS = {
  literal: kafkajs.ResourcePatternTypes.LITERAL,
  prefixed: kafkajs.ResourcePatternTypes.PREFIXED,
} as const

/** Grants rights to a user. `settings` belong to a user with the right to do so. */
export const grant = (settings: KafkaSettings, user: string, rights: readonly Right[]): Promise<boolean> =>
  withAdmin(settings, (admin) =>
    admin.createAcls({
      acl: rights.flatMap(({ resource, name, pattern, operations }) =>
        operations.map((operation) => ({
          resourceType: RESOURCES[resource],
          resourceName: name,
          resourcePatternType: PATTERNS[pattern],
          principal: `User:${user}`,
          host: '*',
          operation: OPERATIONS[operation],
          permissionType: kafkajs.AclPermissionTypes.ALLOW,
        })),
      ),
    }),
  )
