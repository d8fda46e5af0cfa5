import {
  fetchRaw,
  filterAborted,
  type Broker,
  type DecodedRecord,
  type DecodedPartition,
} from './internals.ts'
import type { InputRecord } from './record.ts'

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
  const { responses } = await fetchRaw(broker, topics, limits.waitMsMax, limits.bytesMax)
  return responses.flatMap(({ topicName, partitions }) =>
    partitions.map((decoded) => {
      const request = byTopic.get(topicName)!.find(({ partition }) => partition === decoded.partition)!
      return toFetched(request, decoded)
    }),
  )
}

const toFetched = ({ topic, partition, offset }: FetchRequest, decoded: DecodedPartition): Fetched => {
  const { errorCode, abortedTransactions, highWatermark } = decoded
  // A batch is returned whole, so the first one may begin before the wanted offset.
  const messages = decoded.messages.filter((message) => BigInt(message.offset) >= offset)
  const records: InputRecord[] = []
  for (const message of filterAborted({ messages, abortedTransactions })) {
    if (!message.isControlRecord) records.push(toRecord(topic, partition, message))
  }
  const last = messages.at(-1)
  return {
    topic,
    partition,
    offset,
    errorCode,
    records,
    nextOffset: last === undefined ? offset : BigInt(last.offset) + 1n,
    highWatermark: BigInt(highWatermark),
  }
}

const toRecord = (topic: string, partition: number, message: DecodedRecord): InputRecord => {
  // Without a prototype: a header may have any name.
  const headers = Object.create(null) as Record<string, Buffer>
  for (const [name, value] of Object.entries(message.headers)) {
    // Kafka allows a header name twice; the last one counts.
    const one = Array.isArray(value) ? (value as readonly Buffer[]).at(-1) : (value as Buffer | null)
    if (one != null) headers[name] = one
  }
  return {
    topic,
    partition,
    offset: BigInt(message.offset),
    timestamp: Number(message.timestamp),
    key: message.key,
    value: message.value,
    headers,
  }
}
