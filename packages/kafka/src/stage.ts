import { kafkaClient, kafkaCluster } from './client.ts'
import { connectTo } from './connect-to.ts'
import { isExplained } from './errors.ts'
import { Fetcher } from './fetcher.ts'
import { disconnectNow } from './internals.ts'
import { Membership } from './membership.ts'
import { partitionsOf } from './offsets.ts'
import { PartitionRun, type Parked } from './partition-run.ts'
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
export const startStage = async (options: StageOptions): Promise<Stage> => {
  const { settings, logger, service, inputs, stateTopic } = options
  const client = { settings, logger, clientId: `weir-${service}` }
  const topics = stateTopic === undefined ? inputs : [...inputs, stateTopic]
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
  const runs = new Map<number, PartitionRun>()
  // A transaction that waits longer for an answer has been aborted meanwhile.
  const kafka = kafkaClient({ ...client, requestTimeoutMs: settings.transactionTimeoutMs })
  const onFatal = (error: Error): void => {
    failure.reject(error)
  }
  const owned = () => [...runs].filter(([, run]) => !run.isOver)
  const onParked = (): void => {
    const error = hopelessness(owned().map(([, { parked }]) => parked))
    if (error !== undefined) failure.reject(error)
  }
  const onAssigned = (assigned: ReadonlySet<number>): void => {
    for (const [partition, run] of runs) {
      if (!assigned.has(partition)) void run.release()
    }
    for (const partition of assigned) {
      const before = runs.get(partition)
      if (before !== undefined && !before.isOver) continue
      const run = new PartitionRun({
        ...{ stage: options, partition, groupId, kafka, fetcher, membership, onFatal, onParked },
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
    get parked() {
      const parked = owned().flatMap(([partition, run]) =>
        run.parked === undefined ? [] : [[partition, run.parked.error] as const],
      )
      return new Map(parked)
    },
    resume: (partition) => {
      const found = owned().filter(([number, run]) => run.parked && number === (partition ?? number))
      for (const [, run] of found) run.resume()
      return found.map(([number]) => number)
    },
    readiness: () => {
      if (!membership.joined) return ['has not joined its consumer group yet']
      const all = owned()
      const parked = all.filter(([, run]) => run.parked !== undefined)
      if (all.length > 0 && parked.length === all.length) {
        return parked.map(([partition]) => `partition ${partition} is parked`)
      }
      return [...runs]
        .filter(([, { state, parked }]) => state !== 'running' && parked === undefined)
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

/** Tries of each partition, a minute apart, until a new process is the better one. */
const ATTEMPTS_MAX = 3

/** Why a process with these partitions should be replaced: not one works, and no known cause is outside of it. */
const hopelessness = (all: readonly (Parked | undefined)[]): Error | undefined => {
  const isHopeless = (one: Parked | undefined): boolean =>
    one !== undefined && one.attempts >= ATTEMPTS_MAX && !isExplained(one.error)
  if (!all.every(isHopeless)) return undefined
  return new Error('no partition of this process can work', { cause: all[0]?.error })
}

const QUERY_MS_MAX = 5_000
const TOPIC_CHECK_MS = 30_000
