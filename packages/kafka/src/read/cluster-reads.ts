import { systemClock, type Clock } from '../client/clock.ts'
import { fetchPartition, type Fetched } from './fetch-records.ts'
import type { Cluster } from '../client/kafkajs-internals.ts'
import {
  committedOffsets,
  leaderOf,
  logRange,
  whileClusterAnswers,
  type CommittedOffset,
  type LogRange,
} from '../client/offsets.ts'
import { topicIdOf } from '../protocol/topic-id.ts'

/**
 * Requests that a partition sends before it works. A model of the brokers can answer the same code. Each method
 * rejects with a `RetriableError` when the cluster does not answer.
 */
export interface ClusterReads {
  readonly clock: Clock
  clusterId(): Promise<string>
  /** Empty when the brokers do not support the request. */
  topicId(topic: string): Promise<string>
  logRange(topic: string, partition: number): Promise<LogRange>
  /** Topics without a commit are not in the map. */
  committedOffsets(
    groupId: string,
    topics: readonly string[],
    partition: number,
  ): Promise<ReadonlyMap<string, CommittedOffset>>
  /** One fetch, read_committed; the answer may be an error code. A `StateError` when what is there cannot be read. */
  fetch(topic: string, partition: number, offset: bigint): Promise<Fetched>
  /** Another broker may lead a partition now. */
  refresh(): Promise<void>
}

const FETCH_BYTES = 4_194_304
const FETCH = { waitMsMax: 100, bytesMax: FETCH_BYTES }

/** `fetchBytes`: of one answer; it has one batch at least, however long. */
export const brokerReads = (
  cluster: Cluster,
  clock: Clock = systemClock,
  fetchBytes = FETCH_BYTES,
): ClusterReads => {
  const refresh = () => whileClusterAnswers('metadata', () => cluster.refreshMetadata())
  return {
    clock,
    clusterId: async () => {
      if (cluster.brokerPool.metadata === null) await refresh()
      return cluster.brokerPool.metadata?.clusterId ?? ''
    },
    topicId: (topic) => topicIdOf(cluster, topic),
    logRange: (topic, partition) => logRange(cluster, topic, partition),
    committedOffsets: (...of) => committedOffsets(cluster, ...of),
    fetch: (topic, partition, offset) =>
      whileClusterAnswers(`reading ${topic}/${partition}`, async () => {
        const broker = await leaderOf(cluster, topic, partition)
        return fetchPartition(broker, { topic, partition, offset, maxBytes: fetchBytes }, FETCH)
      }),
    refresh,
  }
}
