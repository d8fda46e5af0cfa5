import { kafkaClient, kafkaCluster } from '../client/kafka-client.ts'
import { brokerReads } from '../read/cluster-reads.ts'
import { connectTo } from '../client/connect-to.ts'
import { Prefetcher } from '../read/prefetcher.ts'
import { disconnectNow } from '../client/kafkajs-internals.ts'
import { Membership } from '../group/membership.ts'
import { partitionsOf } from '../client/offsets.ts'
import { TaskRunners } from './task-runners.ts'
import type { TaskState, ProcessorOptions } from './processor-options.ts'
import { kafkaTransactions } from '../transactions/transaction-client.ts'
import { requirePartitions, TopicWatch } from './topic-watch.ts'

/**
 * An exactly-once consumer. Outputs and offsets of a batch commit in one Kafka transaction. Each partition has its own
 * transactional producer, `<prefix><service>-<partition>`.
 */
export interface Processor {
  /** Reasons why it is not ready: it has not joined its group, or partitions are not running. */
  readiness(): readonly string[]
  readonly partitions: ReadonlyMap<number, TaskState>
  /** Errors of parked partitions. Each partition is tried again every minute while the others continue. */
  readonly parked: ReadonlyMap<number, Error>
  /** Tries one parked partition, or all, again now. Returns their numbers. */
  resume(partition?: number): readonly number[]
  /**
   * Rejects when the cause affects every partition: the brokers or the group reject this process, the partition count
   * of a topic changed, or all partitions fail repeatedly for unknown reasons. Running partitions continue until
   * `stop`.
   */
  readonly failed: Promise<never>
  /** Completes running transactions, leaves the group and disconnects. */
  stop(): Promise<void>
}

/**
 * Waits for the cluster and resolves when it starts to join the group; `readiness` tells when it runs. Rejects with a
 * `StateError` when a topic is missing or its partition count differs from the configuration.
 */
export const startProcessor = async (options: ProcessorOptions): Promise<Processor> => {
  const { settings, logger, service, inputs, changelogTopic } = options
  const client = { settings, logger, clientId: `weir-${service}` }
  const topics = changelogTopic === undefined ? inputs : [...inputs, changelogTopic]
  const known = [...topics, options.startsTopic]
  const groupId = `${settings.topicPrefix}${service}`
  const clusters = {
    membership: kafkaCluster({
      ...client,
      // Leaves time to repeat a lost heartbeat within the session. A join has its own timeout.
      requestTimeoutMs: settings.groupSessionMs / 2,
    }),
    queries: kafkaCluster({ ...client, requestTimeoutMs: QUERY_MS_MAX }),
    fetches: kafkaCluster(client),
  }
  const disconnectAll = () => Promise.allSettled(Object.values(clusters).map(disconnectNow))
  try {
    await Promise.all(Object.values(clusters).map((cluster) => connectTo(cluster, known, logger)))
    requirePartitions(clusters.queries, topics, settings.topicPartitions)
  } catch (error) {
    await disconnectAll()
    throw error
  }

  const failure = Promise.withResolvers<never>()
  // Callers that await it still see the rejection. Without a caller, an unhandled rejection would end the process.
  failure.promise.catch(() => undefined)
  const fetcher = new Prefetcher(clusters.fetches, logger)
  // The coordinator aborts a transaction that waits longer than this for a response.
  const kafka = kafkaClient({ ...client, requestTimeoutMs: settings.transactionTimeoutMs })
  const onFatal = (error: Error): void => {
    failure.reject(error)
  }
  const membership: Membership = new Membership({
    logger,
    groupId,
    topics: inputs,
    onFailed: onFatal,
    onAssigned: (assigned) => runners.assign(assigned),
    cluster: clusters.membership,
    partitions: partitionsOf(clusters.queries, inputs[0]!),
    sessionMs: settings.groupSessionMs,
  })
  const runners = new TaskRunners({
    processor: options,
    groupId,
    fetcher,
    membership,
    onFatal,
    reads: brokerReads(clusters.queries),
    openClient: kafkaTransactions(kafka),
  })
  const watch = new TopicWatch({
    logger,
    topics,
    onFault: onFatal,
    everyMs: options.topicCheckMs ?? TOPIC_CHECK_MS,
    cluster: clusters.queries,
    partitions: settings.topicPartitions,
  })
  membership.start()

  return {
    failed: failure.promise,
    get partitions() {
      return runners.states
    },
    get parked() {
      return runners.parked
    },
    resume: (partition) => runners.resume(partition),
    readiness: () => (membership.joined ? runners.notReady : ['has not joined its consumer group yet']),
    stop: async () => {
      watch.stop()
      await runners.release()
      await membership.stop()
      await fetcher.stop()
      await disconnectAll()
    },
  }
}

const QUERY_MS_MAX = 5_000
const TOPIC_CHECK_MS = 30_000
