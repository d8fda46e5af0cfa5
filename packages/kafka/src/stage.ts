import { kafkaClient, kafkaCluster, kafkaErrorType } from './client.ts'
import { StateError } from './errors.ts'
import { Fetcher } from './fetcher.ts'
import type { Cluster } from './internals.ts'
import { disconnectNow } from './internals.ts'
import { Membership } from './membership.ts'
import { partitionsOf } from './offsets.ts'
import { PartitionRun } from './partition-run.ts'
import type { PartitionState, StageOptions } from './stage-options.ts'

/**
 * An exactly-once consumer: {outputs, offsets} of a batch commit in one Kafka transaction, with one
 * transactional producer per partition, `<prefix><service>-<partition>`.
 */
export interface Stage {
  /** Why it is not ready: not joined yet, or the partitions that still restore. */
  readiness(): readonly string[]
  readonly partitions: ReadonlyMap<number, PartitionState>
  /** Rejects when a partition met a `StateError` or an `OffsetOutOfRangeError`, or the group membership crashed for good. */
  readonly failed: Promise<never>
  /** Lets running transactions end, leaves the group, disconnects. */
  stop(): Promise<void>
}

/** Resolves when it tries to join the group; `readiness` says when it works. Rejects when a topic is missing or the cluster does not answer. */
export const startStage = async (options: StageOptions): Promise<Stage> => {
  const { settings, logger, service, inputs, stateTopic } = options
  const client = { settings, logger, clientId: `weir-${service}` }
  const topics = stateTopic === undefined ? inputs : [...inputs, stateTopic]
  const groupId = `${settings.topicPrefix}${service}`
  const clusters = {
    membership: kafkaCluster({
      ...client,
      // A join waits for the other members, up to the rebalance timeout.
      requestTimeoutMs: settings.groupSessionMs + REQUEST_GRACE_MS,
    }),
    queries: kafkaCluster(client),
    fetches: kafkaCluster(client),
  }
  const disconnectAll = () => Promise.allSettled(Object.values(clusters).map(disconnectNow))
  let partitions: readonly number[]
  try {
    await Promise.all(Object.values(clusters).map((cluster) => connectTo(cluster, topics)))
    partitions = commonPartitions(clusters.queries, topics)
  } catch (error) {
    await disconnectAll()
    throw error
  }

  const failure = Promise.withResolvers<never>()
  // Whoever waits for it gets the rejection; without anyone it must not end the process by itself.
  failure.promise.catch(() => undefined)
  const fetcher = new Fetcher(clusters.fetches, logger)
  const runs = new Map<number, PartitionRun>()
  const kafka = kafkaClient(client)
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
    ...{ logger, groupId, topics: inputs, partitions, onAssigned, onFailed: onFatal },
    cluster: clusters.membership,
    sessionMs: settings.groupSessionMs,
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
      await Promise.all([...runs.values()].map((run) => run.release()))
      await membership.stop()
      await fetcher.stop()
      await disconnectAll()
    },
  }
}

const REQUEST_GRACE_MS = 5_000

const connectTo = async (cluster: Cluster, topics: readonly string[]): Promise<void> => {
  try {
    await cluster.connect()
    await cluster.addMultipleTargetTopics(topics)
  } catch (error) {
    if (kafkaErrorType(error) !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error
    throw new StateError(`one of the topics ${topics.join(', ')} does not exist: create the topics first`)
  }
}

/** A `StateError` unless every topic has the same partitions: p of one belongs to p of the others. */
const commonPartitions = (cluster: Cluster, topics: readonly string[]): readonly number[] => {
  const [first, ...others] = topics.map((topic) => ({ topic, partitions: partitionsOf(cluster, topic) }))
  for (const { topic, partitions } of others) {
    if (partitions.length !== first!.partitions.length) {
      throw new StateError(
        `${first!.topic} has ${first!.partitions.length} partitions and ${topic} has ${partitions.length}: they must be equal`,
      )
    }
  }
  return first!.partitions
}
