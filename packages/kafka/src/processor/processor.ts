import { kafkaClient, kafkaCluster } from '../client/kafka-client.ts'
import { brokerReads } from '../read/cluster-reads.ts'
import { connectTo } from '../client/connect-to.ts'
import { Fetcher } from '../read/prefetcher.ts'
import { disconnectNow } from '../client/kafkajs-internals.ts'
import { Membership } from '../group/membership.ts'
import { partitionsOf } from '../client/offsets.ts'
import { TaskRunners } from './task-runners.ts'
import type { TaskState, ProcessorOptions } from './processor-options.ts'
import { kafkaTransactions } from '../transactions/transaction-client.ts'
import { requirePartitions, TopicWatch } from './topic-watch.ts'

/**
 * An exactly-once consumer: {outputs, offsets} of a batch commit in one Kafka transaction, with one
 * transactional producer per partition, `<prefix><service>-<partition>`.
 */
export interface Processor {
  /** Why it is not ready: not joined yet, or the partitions that still restore. */
  readiness(): readonly string[]
  readonly partitions: ReadonlyMap<number, TaskState>
  /** Why partitions cannot go on: each is tried again every minute, and the others work. */
  readonly parked: ReadonlyMap<number, Error>
  /** Tries parked partitions again now: one, or all. Returns which. */
  resume(partition?: number): readonly number[]
  /**
   * Rejects with what concerns every partition: the brokers or the group refuse this process, the topics are no longer
   * what they were, or all its partitions fail, again and again, for reasons that nobody expected. The partitions that
   * work go on until `stop`.
   */
  readonly failed: Promise<never>
  /** Lets running transactions end, leaves the group, disconnects. */
  stop(): Promise<void>
}

/** Waits for the cluster, and resolves when it tries to join the group; `readiness` says when it works. Rejects with a `StateError` when a topic is missing or has another partition count than configured. */
export const startProcessor = async (options: ProcessorOptions): Promise<Processor> => {
  const { settings, logger, service, inputs, changelogTopic } = options
  const client = { settings, logger, clientId: `weir-${service}` }
  const topics = changelogTopic === undefined ? inputs : [...inputs, changelogTopic]
  const known = [...topics, options.startsTopic]
  const groupId = `${settings.topicPrefix}${service}`
  const clusters = {
    membership: kafkaCluster({
      ...client,
      // So that a lost heartbeat can be sent again within the session; a join has a time-out of its own.
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
  // Whoever waits for it gets the rejection; without anyone it must not end the process by itself.
  failure.promise.catch(() => undefined)
  const fetcher = new Fetcher(clusters.fetches, logger)
  // A transaction that waits longer for an answer has been aborted meanwhile.
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
