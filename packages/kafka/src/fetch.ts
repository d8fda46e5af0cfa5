import { readFetchResponse, type FetchedPartition } from './fetch-response.ts'
import { fetchRaw, type Broker } from './internals.ts'
import type { InputRecord } from './record.ts'
import { readRecordSet } from './record-set.ts'

export interface FetchRequest {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly maxBytes: number
}

/** What a fetch returned for one partition. */
export interface Fetched {
  readonly topic: string
  readonly partition: number
  /** What was asked for. */
  readonly offset: bigint
  /** The protocol's code, 0 for none; with another the rest is empty. */
  readonly errorCode: number
  /** Readable records. Their bytes are views of one response: copy what is kept for long. */
  readonly records: readonly InputRecord[]
  /** Where to go on: after the last offset that the response covered, readable or not. */
  readonly nextOffset: bigint
  readonly highWatermark: bigint
}

/** One fetch, read_committed, of partitions that `broker` leads. */
export const fetchRecords = async (
  broker: Broker,
  requests: readonly FetchRequest[],
  limits: { readonly waitMsMax: number; readonly bytesMax: number },
): Promise<readonly Fetched[]> => {
  const byTopic = Map.groupBy(requests, ({ topic }) => topic)
  const topics = [...byTopic].map(([topic, wanted]) => ({
    topic,
    partitions: wanted.map(({ partition, offset, maxBytes }) => ({
      partition,
      fetchOffset: String(offset),
      maxBytes,
    })),
  }))
  const { fetched } = await fetchRaw(broker, topics, limits, async (bytes, version) => {
    const { partitions, ...answer } = readFetchResponse(bytes, version)
    const read = async (one: FetchedPartition): Promise<Fetched> => {
      const request = byTopic.get(one.topic)!.find(({ partition }) => partition === one.partition)!
      return toFetched(request, one)
    }
    return { ...answer, fetched: await Promise.all(partitions.map(read)) }
  })
  return fetched
}

const toFetched = async (
  { topic, partition, offset }: FetchRequest,
  { errorCode, highWatermark, aborted, recordSet }: FetchedPartition,
): Promise<Fetched> => {
  const { records, nextOffset } = await readRecordSet(recordSet, { topic, partition, from: offset, aborted })
  return {
    ...{ topic, partition, offset, errorCode, records, highWatermark },
    nextOffset: nextOffset === undefined || nextOffset < offset ? offset : nextOffset,
  }
}
