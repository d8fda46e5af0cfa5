import { systemClock, type Clock } from '../client/clock.ts'
import { fetchPartition, type FetchedPartition } from './fetch-records.ts'
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
 * The requests of a task before its first batch. A simulation replaces them with a model of the brokers. Each method
 * rejects with a `RetriableError` when the cluster does not respond.
 */
export interface ClusterReads {
  readonly clock: Clock
  clusterId(): Promise<string>
  /** Empty when the brokers do not support the request. */
  topicId(topic: string): Promise<string>
  logRange(topic: string, partition: number): Promise<LogRange>
  /** By topic. Topics without a commit are absent. */
  committedOffsets(
    groupId: string,
    topics: readonly string[],
    partition: number,
  ): Promise<ReadonlyMap<string, CommittedOffset>>
  /** One read_committed fetch. The result can hold an error code. Rejects with a `StateError` for unreadable data. */
  fetch(topic: string, partition: number, offset: bigint): Promise<FetchedPartition>
  /** Refreshes the metadata, for example after a leader has moved. */
  refresh(): Promise<void>
}

const FETCH_BYTES = 4_194_304
const FETCH = { waitMsMax: 100, bytesMax: FETCH_BYTES }

/** `fetchBytes`: maximum bytes of one response, which always has at least one batch. */
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
