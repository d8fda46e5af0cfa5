import { ByteReader } from './byte-reader.ts'
import type { ThrottledResponse } from '../client/kafkajs-internals.ts'
import type { AbortedTransaction } from './record-batch.ts'

/** The part of a fetch response about one partition. */
export interface PartitionResponse {
  readonly topic: string
  readonly partition: number
  readonly errorCode: number
  readonly highWatermark: bigint
  readonly aborted: readonly AbortedTransaction[]
  /** Complete batches. The last one may be incomplete. */
  readonly recordSet: Buffer
}

interface FetchResponse extends ThrottledResponse {
  readonly partitions: readonly PartitionResponse[]
}

/** The first version of the response that has the field. */
const LOG_START_OFFSET = 5
const SESSION = 7
const THROTTLED_BY_CLIENT = 8
const PREFERRED_REPLICA = 11
const SESSION_BYTES = 6
const NOTHING = Buffer.alloc(0)

/**
 * Decodes a fetch response of version 4 to 11, https://kafka.apache.org/protocol#The_Messages_Fetch. Throws a
 * `RangeError` for other bytes.
 */
export const readFetchResponse = (bytes: Buffer, version: number): FetchResponse => {
  const reader = new ByteReader(bytes)
  const throttleMs = reader.int32()
  if (version >= SESSION) reader.skip(SESSION_BYTES)
  const partitions = list(reader, () => {
    const topic = reader.part(reader.int16())!.toString()
    return list(reader, () => readPartition(reader, topic, version))
  }).flat()
  return {
    partitions,
    // In earlier versions the broker itself waits.
    ...(version >= THROTTLED_BY_CLIENT && { clientSideThrottleTime: throttleMs }),
  }
}

const readPartition = (reader: ByteReader, topic: string, version: number): PartitionResponse => {
  const partition = reader.int32()
  const errorCode = reader.int16()
  const highWatermark = reader.int64()
  // The last stable offset.
  reader.int64()
  if (version >= LOG_START_OFFSET) reader.int64()
  const aborted = list(reader, () => ({ producerId: reader.int64(), firstOffset: reader.int64() }))
  if (version >= PREFERRED_REPLICA) reader.int32()
  const recordSet = reader.part(reader.int32()) ?? NOTHING
  return { topic, partition, errorCode, highWatermark, aborted, recordSet }
}

const list = <T>(reader: ByteReader, read: () => T): T[] => {
  const all: T[] = []
  for (let left = reader.int32(); left > 0; left--) all.push(read())
  return all
}
