import { kafkaErrorType } from './kafka-client.ts'
import { OffsetOutOfRangeError, RetriableError, StateError } from './errors.ts'
import type { Broker, Cluster } from './kafkajs-internals.ts'

const EARLIEST = '-2'
const LATEST = '-1'
const READ_UNCOMMITTED = 0
const READ_COMMITTED = 1

/** Converts every error of `call` to a `RetriableError`, except a `StateError`. */
export const whileClusterAnswers = async <T>(what: string, call: () => Promise<T>): Promise<T> => {
  try {
    return await call()
  } catch (error) {
    if (error instanceof RetriableError || error instanceof StateError) throw error
    throw new RetriableError(`${what}: ${kafkaErrorType(error)}`, { cause: error })
  }
}

/** The broker that leads a partition. Refreshes the metadata once; rejects with a `RetriableError` without a leader. */
export const leaderOf = async (cluster: Cluster, topic: string, partition: number): Promise<Broker> => {
  const find = () =>
    cluster.findTopicPartitionMetadata(topic).find(({ partitionId }) => partitionId === partition)
  if ((find()?.leader ?? -1) < 0) await cluster.refreshMetadata()
  const leader = find()?.leader ?? -1
  if (leader < 0) throw new RetriableError(`${topic}/${partition} has no leader`)
  return cluster.findBroker({ nodeId: String(leader) })
}

/** Partition numbers of a topic, ascending. Throws a `StateError` when the topic does not exist. */
export const partitionsOf = (cluster: Cluster, topic: string): readonly number[] => {
  const partitions = cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => partitionId)
  if (partitions.length === 0) throw new StateError(`topic ${topic} does not exist`)
  return partitions.sort((a, b) => a - b)
}

export interface LogRange {
  /** First offset in the log. */
  readonly start: bigint
  /** High watermark, or last stable offset. */
  readonly end: bigint
}

export const logRange = (cluster: Cluster, topic: string, partition: number): Promise<LogRange> =>
  rangeOf(cluster, topic, partition, READ_UNCOMMITTED)

/** Like `logRange`, but ends at the last stable offset, before which every transaction has ended. */
export const stableRange = (cluster: Cluster, topic: string, partition: number): Promise<LogRange> =>
  rangeOf(cluster, topic, partition, READ_COMMITTED)

const rangeOf = (
  cluster: Cluster,
  topic: string,
  partition: number,
  isolationLevel: number,
): Promise<LogRange> =>
  whileClusterAnswers(`offsets of ${topic}/${partition}`, async () => {
    try {
      const broker = await leaderOf(cluster, topic, partition)
      const offsetAt = async (timestamp: string): Promise<bigint> => {
        const { responses } = await broker.listOffsets({
          isolationLevel,
          topics: [{ topic, partitions: [{ partition, timestamp }] }],
        })
        return BigInt(responses[0]!.partitions[0]!.offset)
      }
      return { start: await offsetAt(EARLIEST), end: await offsetAt(LATEST) }
    } catch (error) {
      // The next attempt must not ask the same broker again.
      await cluster.refreshMetadata().catch(() => undefined)
      throw error
    }
  })

/** Rejects with an `OffsetOutOfRangeError` unless log start <= offset <= high watermark. */
export const requireInRange = (
  topic: string,
  partition: number,
  offset: bigint,
  range: LogRange,
  remedy: string,
): void => {
  if (offset < range.start || offset > range.end) {
    throw new OffsetOutOfRangeError(
      `${topic}/${partition}: position ${offset} is not in the log (${range.start} to ${range.end}). ${remedy}`,
    )
  }
}

export interface CommittedOffset {
  readonly offset: bigint
  readonly metadata: string
}

/** Committed offsets of a group for one partition, by topic. Topics without a commit are absent. */
export const committedOffsets = (
  cluster: Cluster,
  groupId: string,
  topics: readonly string[],
  partition: number,
): Promise<ReadonlyMap<string, CommittedOffset>> =>
  whileClusterAnswers(`committed offsets of ${groupId}`, async () => {
    const coordinator = await cluster.findGroupCoordinator({ groupId })
    const { responses } = await coordinator.offsetFetch({
      groupId,
      topics: topics.map((topic) => ({ topic, partitions: [{ partition }] })),
    })
    const found = new Map<string, CommittedOffset>()
    for (const { topic, partitions } of responses) {
      const offset = BigInt(partitions[0]?.offset ?? -1)
      if (offset >= 0n) found.set(topic, { offset, metadata: partitions[0]!.metadata ?? '' })
    }
    return found
  })
