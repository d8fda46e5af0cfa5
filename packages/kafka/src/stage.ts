import { kafkaClient, kafkaCluster } from './client.ts'
import { connectTo } from './connect-to.ts'
import { Fetcher } from './fetcher.ts'
import { disconnectNow } from './internals.ts'
import { Membership } from './membership.ts'
import { partitionsOf } from './offsets.ts'
import { PartitionRun } from './partition-run.ts'
import type { PartitionState, StageOptions } from './stage-options.ts'
import { requirePartitions, TopicWatch } from './topic-watch.ts'

/**
 * An exactly-once consumer: {outputs, offsets} of a batch commit in one Kafka transaction, with one
 * transactional producer per partition, `<prefix><service>-<partition>`.
 */
export interface Stage {
  /** Why it is not ready: not joined yet, or the partitions that still restore. */
  readiness(): readonly string[]
  readonly partitions: ReadonlyMap<number, PartitionState>
  /**
   * Rejects when a partition has stopped (a `StateError`, an `OffsetOutOfRangeError`, or what nobody expected), when
   * the topics are no longer what they were, or when the group refuses the member. The other partitions go on until
   * `stop`.
   */
  readonly failed: Promise<never>
  /** Lets running transactions end, leaves the group, disconnects. */
  stop(): Promise<void>
}

/** Waits for the cluster, and resolves when it tries to join the group; `readiness` says when it works. Rejects with a `StateError` when a topic is missing or has another partition count than configured. */
export const startStage = async (options: StageOptions): Promise<Stage> => {
  const { settings, logger, service, inputs, stateTopic } = options
  const client = { settings, logger, clientId: `weir-${service}` }
  const topics = stateTopic === undefined ? inputs : [...inputs, stateTopic]
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
    await Promise.all(Object.values(clusters).map((cluster) => connectTo(cluster, topics, logger)))
    requirePartitions(clusters.queries, topics, settings.topicPartitions)
  } catch (error) {
    await disconnectAll()
    throw error
  }

  const failure = Promise.withResolvers<never>()
  // Whoever waits for it gets the rejection; without anyone it must not end the process by itself.
  failure.promise.catch(() => undefined)
  const fetcher = new Fetcher(clusters.fetches, logger)
  const runs = new Map<number, PartitionRun>()
  // A transaction that waits longer for an answer has been aborted meanwhile.
  const kafka = kafkaClient({ ...client, requestTimeoutMs: settings.transactionTimeoutMs })
  const onFatal = (error: Error): void => {
    failure.reject(error)
  }
  const onAssigned = (assigned: ReadonlySet<number>): void => {
    for (const [partition, run] of runs) {
      if (!assigned.has(partition)) void run.release()
    }
    for (const partition of assigned) {
      const before = runs.get(partition)
      if (before !== undefined && !before.isOver) continue
      const run = new PartitionRun({
        ...{ stage: options, partition, groupId, kafka, fetcher, membership, onFatal },
        cluster: clusters.queries,
        after: before?.done ?? Promise.resolve(),
      })
      runs.set(partition, run)
      void run.done.then(() => {
        if (runs.get(partition) === run && run.state === 'released') runs.delete(partition)
      })
    }
  }
  const membership = new Membership({
    ...{ logger, groupId, topics: inputs, onAssigned, onFailed: onFatal },
    cluster: clusters.membership,
    partitions: partitionsOf(clusters.queries, inputs[0]!),
    sessionMs: settings.groupSessionMs,
  })
  const watch = new TopicWatch({
    ...{ logger, topics, onFault: onFatal, everyMs: options.topicCheckMs ?? TOPIC_CHECK_MS },
    cluster: clusters.queries,
    partitions: settings.topicPartitions,
  })
  membership.start()

  return {
    failed: failure.promise,
    get partitions() {
      return new Map([...runs].map(([partition, run]) => [partition, run.state]))
    },
    readiness: () => {
      if (!membership.joined) return ['has not joined its consumer group yet']
      return [...runs]
        .filter(([, { state }]) => state !== 'running')
        .map(([partition, { state }]) => `partition ${partition} is ${state}`)
    },
    stop: async () => {
      watch.stop()
      await Promise.all([...runs.values()].map((run) => run.release()))
      await membership.stop()
      await fetcher.stop()
      await disconnectAll()
    },
  }
}

const QUERY_MS_MAX = 5_000
const TOPIC_CHECK_MS = 30_000
