import { randomBytes } from 'node:crypto'
import type { Admin } from 'kafkajs'
import { kafkaClient, kafkaCluster } from '../client/kafka-client.ts'
import { systemClock } from '../client/clock.ts'
import { brokerReads } from '../read/cluster-reads.ts'
import { StateError } from '../client/errors.ts'
import { partitionsOf, type LogRange } from '../client/offsets.ts'
import { readPartition } from '../read/read-partition.ts'
import type { InputRecord, OutputRecord } from '../protocol/record.ts'
import type { KafkaSettings } from '../client/settings.ts'
import { silentLogger } from '../client/silent-logger.ts'
import { readStarts, type Start } from '../processor/starts.ts'
import { untilLed } from '../client/topic-leaders.ts'
import { kafkaTransactions } from '../transactions/transaction-client.ts'
import {
  BARRIER_KEY,
  TransactionalProducer,
  type WrittenOffsets,
} from '../transactions/transactional-producer.ts'

/** Access to the partitions of a stopped processor, for tools that repair or move its state. */
export interface Maintenance {
  /** Members of the service's consumer group: 0 when none of its processes runs. */
  memberCount(): Promise<number>
  /** Current partition count of a topic. Rejects with a `StateError` when the topic does not exist. */
  partitionCount(topic: string): Promise<number>
  /** Adds partitions to topics until each has `count`. Resolves when all of them have a leader. */
  addPartitions(topics: readonly string[], count: number): Promise<void>
  range(topic: string, partition: number): Promise<LogRange>
  /** Offsets that the service's group has committed, by topic. */
  committed(topics: readonly string[], partition: number): Promise<ReadonlyMap<string, bigint>>
  /** The first readable record in the log. */
  first(topic: string, partition: number): Promise<InputRecord | undefined>
  /** Where the service's group began, by input topic; see `Start`. */
  starts(
    startsTopic: string,
    inputs: readonly string[],
    partition: number,
  ): Promise<ReadonlyMap<string, Start>>
  /**
   * Reads the readable records from an offset to the current end, or to `end`, without barriers. Returns the offset
   * after the last one.
   */
  read(
    topic: string,
    partition: number,
    from: bigint,
    onRecords: (records: readonly InputRecord[], nextOffset: bigint) => void | Promise<void>,
    end?: bigint,
  ): Promise<bigint>
  /** Takes over a partition. The previous owner can commit nothing more. */
  claim(partition: number): Promise<Claim>
  close(): Promise<void>
}

export interface Claim {
  /**
   * Commits the records and the next offsets of input topics in one transaction. Rejects with a `TransactionError` when
   * it failed or another owner has taken over.
   */
  commit(outputs: readonly OutputRecord[], next?: Readonly<Record<string, bigint>>): Promise<WrittenOffsets>
  close(): Promise<void>
}

export const openMaintenance = async (options: {
  readonly settings: KafkaSettings
  /** Must match the processor's own value. */
  readonly service: string
  readonly changelogTopic?: string
  /** All topics that the processor or this tool ever writes to. */
  readonly outputs: readonly string[]
}): Promise<Maintenance> => {
  const { settings, service, changelogTopic, outputs } = options
  const client = { settings, logger: silentLogger, clientId: `weir-${service}-maintenance` }
  const groupId = `${settings.topicPrefix}${service}`
  const cluster = kafkaCluster(client)
  const reads = brokerReads(cluster)
  const kafka = kafkaClient({ ...client, requestTimeoutMs: settings.transactionTimeoutMs })
  const openClient = kafkaTransactions(kafka)
  const known = new Set<string>()
  const know = async (topics: readonly string[]): Promise<void> => {
    await cluster.addMultipleTargetTopics(topics)
    await cluster.refreshMetadata()
    for (const topic of topics) known.add(topic)
  }
  const range = async (topic: string, partition: number): Promise<LogRange> => {
    if (!known.has(topic)) await know([topic])
    return reads.logRange(topic, partition)
  }
  const withAdmin = async <T>(use: (admin: Admin) => Promise<T>): Promise<T> => {
    const admin = kafka.admin()
    try {
      await admin.connect()
      return await use(admin)
    } finally {
      await admin.disconnect().catch(() => undefined)
    }
  }
  await cluster.connect()
  return {
    memberCount: () =>
      withAdmin(async (admin) => {
        const { groups } = await admin.describeGroups([groupId])
        return groups[0]?.members.length ?? 0
      }),
    partitionCount: async (topic) => {
      await know([topic]).catch((error: unknown) => {
        throw new StateError(`topic ${topic} cannot be read: create the topics with \`weir topics\``, {
          cause: error,
        })
      })
      return partitionsOf(cluster, topic).length
    },
    addPartitions: async (topics, count) => {
      await withAdmin(async (admin) => {
        const topicPartitions = topics.map((topic) => ({ topic, count }))
        if (topics.length > 0) await admin.createPartitions({ topicPartitions })
        await untilLed(admin, topics)
      })
      await know(topics)
    },
    range,
    committed: async (topics, partition) => {
      const found = await reads.committedOffsets(groupId, topics, partition)
      return new Map([...found].map(([topic, { offset }]) => [topic, offset]))
    },
    first: async (topic, partition) => {
      const { start, end } = await range(topic, partition)
      let found: InputRecord | undefined
      await readPartition(reads, { topic, partition, from: start, end }, ([first]) => {
        found = first
        return true
      })
      return found
    },
    starts: async (topic, inputs, partition) => {
      if (!known.has(topic)) await know([topic])
      return readStarts(reads, { topic, partition }, groupId, inputs)
    },
    read: async (topic, partition, from, onRecords, until) => {
      const end = until ?? (await range(topic, partition)).end
      if (!known.has(topic)) await know([topic])
      return readPartition(reads, { topic, partition, from, end }, async (records, nextOffset) => {
        const isWanted = ({ key, offset }: InputRecord): boolean =>
          offset < end && !(topic === changelogTopic && key?.equals(BARRIER_KEY))
        const wanted = records.filter(isWanted)
        if (wanted.length > 0) await onRecords(wanted, nextOffset)
        return undefined
      })
    },
    claim: async (partition) => {
      const transactionalId = `${groupId}-${partition}`
      const { transactionTimeoutMs } = settings
      const producer = new TransactionalProducer({
        openClient,
        clock: systemClock,
        transactionTimeoutMs,
        transactionalId,
        logger: silentLogger,
        places: {
          groupId,
          partition,
          own: [],
          shared: changelogTopic === undefined ? outputs : [changelogTopic, ...outputs],
        },
      })
      try {
        await producer.fence()
        if (changelogTopic !== undefined) await producer.barrier(changelogTopic, partition, randomBytes(16))
      } catch (error) {
        await producer.close()
        throw error
      }
      return {
        commit: (records, next = {}) =>
          producer.commit(
            records,
            Object.entries(next).map(([topic, offset]) => ({ topic, partition, offset, metadata: '' })),
          ),
        // A processor searches for open transactions in fewer places than a claim may write to.
        close: () => producer.ended().finally(() => producer.close()),
      }
    },
    close: () => cluster.disconnect(),
  }
}
