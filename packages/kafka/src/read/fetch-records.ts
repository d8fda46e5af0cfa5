import { StateError } from '../client/errors.ts'
import { readFetchResponse, type PartitionResponse } from '../protocol/fetch-response.ts'
import { DecodeError, fetchRaw, type Broker } from '../client/kafkajs-internals.ts'
import type { InputRecord } from '../protocol/record.ts'
import { OversizedBatchError } from '../protocol/codecs.ts'
import {
  ResponseMemory,
  DamagedBatchError,
  readRecordSet,
  type RecordSetSource,
} from '../protocol/record-batch.ts'

export interface FetchRequest {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly maxBytes: number
}

/** The result of a fetch for one partition. */
export interface FetchedPartition {
  readonly topic: string
  readonly partition: number
  /** The requested offset. */
  readonly offset: bigint
  /** Error code of the protocol; 0 for none. With an error there are no records. */
  readonly errorCode: number
  /** Readable records. Their bytes are views of the response, so copy bytes that are kept for long. */
  readonly records: readonly InputRecord[]
  /** The offset after the last one in the response, readable or not. */
  readonly nextOffset: bigint
  readonly highWatermark: bigint
}

/** One read_committed fetch of partitions that `broker` leads. */
export const fetchRecords = async (
  broker: Broker,
  requests: readonly FetchRequest[],
  limits: { readonly waitMsMax: number; readonly bytesMax: number },
): Promise<readonly FetchedPartition[]> => {
  const byTopic = Map.groupBy(requests, ({ topic }) => topic)
  const topics = [...byTopic].map(([topic, wanted]) => ({
    topic,
    partitions: wanted.map(({ partition, offset, maxBytes }) => ({
      partition,
      fetchOffset: String(offset),
      maxBytes,
    })),
  }))
  const { fetched } = await fetchRaw(broker, topics, limits, (bytes, version) => {
    const { partitions, ...response } = readFetchResponse(bytes, version)
    // For this partition the broker sends at least one complete batch, whatever its size (KIP-74).
    const served = partitions.find(({ recordSet }) => recordSet.length > 0)
    const memory = new ResponseMemory()
    const read = (one: PartitionResponse): FetchedPartition => {
      const request = byTopic.get(one.topic)!.find(({ partition }) => partition === one.partition)!
      return toFetched(request, one, { isFirstWhole: one === served, memory })
    }
    return { ...response, fetched: partitions.map(read) }
  })
  return fetched
}

/** Attempts to read a damaged batch. The damage can be in one response and not in the log. */
const READS_MAX = 3

/**
 * One fetch of one partition. Rejects with a `StateError` that names topic, partition and offset when the data is
 * unreadable, which a retry would not change.
 */
export const fetchPartition = async (
  broker: Broker,
  request: FetchRequest,
  limits: { readonly waitMsMax: number; readonly bytesMax: number },
): Promise<FetchedPartition> => {
  for (let reads = 1; ; reads++) {
    try {
      const [fetched] = await fetchRecords(broker, [request], limits)
      return fetched!
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      const { cause } = error
      if (cause instanceof DamagedBatchError && reads < READS_MAX) continue
      throw unreadable(request, cause as Error)
    }
  }
}

const unreadable = ({ topic, partition, offset }: FetchRequest, cause: Error): StateError => {
  const remedy =
    cause instanceof DamagedBatchError ? REREAD : cause instanceof OversizedBatchError ? PASS_OVER : ''
  return new StateError(
    `${topic}/${partition}: what follows offset ${offset} cannot be read: ${cause.message}${remedy}`,
    { cause },
  )
}

const REREAD =
  '. Let another replica lead this partition (kafka-leader-election or kafka-reassign-partitions) and resume this one'
const PASS_OVER =
  '. Weir writes no such batch: find out who else may write to the topic, take that right away, and pass the batch over (docs/operations/failures.md, "A batch that is too large")'

const toFetched = (
  { topic, partition, offset }: FetchRequest,
  { errorCode, highWatermark, aborted, recordSet }: PartitionResponse,
  of: Pick<RecordSetSource, 'isFirstWhole' | 'memory'>,
): FetchedPartition => {
  const { records, nextOffset } = readRecordSet(recordSet, { topic, partition, from: offset, aborted, ...of })
  return {
    topic,
    partition,
    offset,
    errorCode,
    records,
    highWatermark,
    nextOffset: nextOffset === undefined || nextOffset < offset ? offset : nextOffset,
  }
}
