import { createRequire } from 'node:module'

/** The part of Kafka's protocol that the proxy decodes and encodes, in the versions that kafkajs uses. */
const require = createRequire(import.meta.url)

interface Reader {
  readonly offset: number
  readInt8(): number
  readInt16(): number
  readInt32(): number
  readInt64(): { toString(): string }
  readString(): string | null
  readBytes(length?: number): Buffer
  forward(bytes: number): void
  readArray<T>(read: (reader: Reader) => T): T[]
}

interface Writer {
  readonly buffer: Buffer
  writeInt8(value: number): Writer
  writeInt16(value: number): Writer
  writeInt32(value: number): Writer
  writeInt64(value: bigint): Writer
  writeString(value: string | null): Writer
  writeArray(values: readonly (Writer | number)[]): Writer
  writeBytes(value: Buffer): Writer
}

const ReaderClass = require('kafkajs/src/protocol/decoder') as new (bytes: Buffer) => Reader
const WriterClass = require('kafkajs/src/protocol/encoder') as new () => Writer

export const API = {
  produce: 0,
  fetch: 1,
  listOffsets: 2,
  metadata: 3,
  offsetFetch: 9,
  findCoordinator: 10,
  joinGroup: 11,
  heartbeat: 12,
  leaveGroup: 13,
  syncGroup: 14,
  initProducerId: 22,
  addPartitionsToTxn: 24,
  addOffsetsToTxn: 25,
  endTxn: 26,
  txnOffsetCommit: 28,
} as const
export type Api = keyof typeof API

export const ERROR = {
  offsetOutOfRange: 1,
  leaderAway: 5,
  notLeader: 6,
  messageTooLarge: 10,
  coordinatorLoading: 14,
  coordinatorAway: 15,
  notCoordinator: 16,
  notEnoughReplicasAfterAppend: 20,
  concurrentTransactions: 51,
  invalidProducerEpoch: 47,
} as const

export interface ParsedRequest {
  readonly api: Api | undefined
  readonly apiKey: number
  readonly correlationId: number
  /** Set for produce, fetch, ListOffsets, AddPartitionsToTxn and TxnOffsetCommit. */
  readonly targets: readonly Target[]
  /** Set for EndTxn: true for a commit. */
  readonly isCommit?: boolean
}

export interface Target {
  readonly topic: string
  readonly partition: number
}

const API_NAMES = new Map<number, Api>(Object.entries(API).map(([name, key]) => [key, name as Api]))

/** `frame`: a request without its length field. */
export const parseRequest = (frame: Buffer): ParsedRequest => {
  const reader = new ReaderClass(frame)
  const apiKey = reader.readInt16()
  reader.readInt16()
  const correlationId = reader.readInt32()
  reader.readString()
  const api = API_NAMES.get(apiKey)
  const readTargets = api && TARGETS[api]
  const parsed = { api, apiKey, correlationId, targets: readTargets ? readTargets(reader) : [] }
  if (api !== 'endTxn') return parsed
  reader.readString()
  reader.forward(10)
  return { ...parsed, isCommit: reader.readInt8() === 1 }
}

/** `rest`: reads the fields after each partition number. */
const readPartitions = (reader: Reader, rest: (reader: Reader) => void): Target[] =>
  reader
    .readArray((topics) => {
      const topic = topics.readString()!
      return topics.readArray((partitions) => {
        const partition = partitions.readInt32()
        rest(partitions)
        return { topic, partition }
      })
    })
    .flat()

const TARGETS: Partial<Record<Api, (reader: Reader) => Target[]>> = {
  produce: (reader) => {
    reader.readString()
    reader.forward(6)
    return readPartitions(reader, (one) => one.readBytes())
  },
  fetch: (reader) => {
    reader.forward(25)
    return readPartitions(reader, (one) => one.forward(24))
  },
  listOffsets: (reader) => {
    reader.forward(5)
    return readPartitions(reader, (one) => one.forward(8))
  },
  addPartitionsToTxn: (reader) => {
    reader.readString()
    reader.forward(10)
    return readPartitions(reader, () => undefined)
  },
  txnOffsetCommit: (reader) => {
    reader.readString()
    reader.readString()
    reader.forward(10)
    return readPartitions(reader, (one) => {
      one.forward(8)
      one.readString()
    })
  },
}

/** The body of an error response after the correlation id: an error code per partition, or one for all. */
const ERROR_BODIES: Partial<Record<Api, (writer: Writer, response: ErrorResponse) => Writer>> = {
  produce: (writer, { partitions }) =>
    writer.writeArray(partitions((one) => one.writeInt64(-1n).writeInt64(-1n).writeInt64(-1n))).writeInt32(0),
  fetch: (writer, { partitions }) => {
    const nothing = (one: Writer) =>
      one
        .writeInt64(-1n)
        .writeInt64(-1n)
        .writeInt64(-1n)
        .writeInt32(-1)
        .writeInt32(-1)
        .writeBytes(Buffer.alloc(0))
    return writer.writeInt32(0).writeInt16(0).writeInt32(0).writeArray(partitions(nothing))
  },
  listOffsets: (writer, { partitions }) =>
    writer.writeInt32(0).writeArray(partitions((one) => one.writeInt64(-1n).writeInt64(-1n))),
  addPartitionsToTxn: (writer, { partitions }) => writer.writeInt32(0).writeArray(partitions((one) => one)),
  txnOffsetCommit: (writer, { partitions }) => writer.writeInt32(0).writeArray(partitions((one) => one)),
  initProducerId: (writer, { code }) => writer.writeInt32(0).writeInt16(code).writeInt64(-1n).writeInt16(-1),
  findCoordinator: (writer, { code }) =>
    writer.writeInt32(0).writeInt16(code).writeString(null).writeInt32(-1).writeString('').writeInt32(-1),
  heartbeat: (writer, { code }) => writer.writeInt32(0).writeInt16(code),
  endTxn: (writer, { code }) => writer.writeInt32(0).writeInt16(code),
  addOffsetsToTxn: (writer, { code }) => writer.writeInt32(0).writeInt16(code),
}

interface ErrorResponse {
  readonly code: number
  readonly partitions: (write: (one: Writer) => Writer) => Writer[]
}

/** A response with one error code for every partition of the request, without the frame's length field. */
export const errorResponse = ({ api, correlationId, targets }: ParsedRequest, code: number): Buffer => {
  const body = api && ERROR_BODIES[api]
  if (body === undefined) throw new Error(`no error response for ${api ?? 'this request'}`)
  const partitions = (write: (one: Writer) => Writer) =>
    [...Map.groupBy(targets, ({ topic }) => topic)].map(([topic, list]) =>
      new WriterClass()
        .writeString(topic)
        .writeArray(
          list.map(({ partition }) => write(new WriterClass().writeInt32(partition).writeInt16(code))),
        ),
    )
  return body(new WriterClass().writeInt32(correlationId), { code, partitions }).buffer
}

/** A fetch response (version 11) after its correlation id, limited to some partitions. */
export const fetchResponse = (
  partitions: readonly (Target & { readonly errorCode?: number; readonly batches: readonly Buffer[] })[],
): Buffer => {
  const topics = [...Map.groupBy(partitions, ({ topic }) => topic)].map(([topic, list]) =>
    new WriterClass()
      .writeString(topic)
      .writeArray(
        list.map(({ partition, errorCode = 0, batches }) =>
          new WriterClass()
            .writeInt32(partition)
            .writeInt16(errorCode)
            .writeInt64(1_000n)
            .writeInt64(1_000n)
            .writeInt64(0n)
            .writeInt32(-1)
            .writeInt32(-1)
            .writeBytes(Buffer.concat(batches)),
        ),
      ),
  )
  return new WriterClass().writeInt32(0).writeInt16(0).writeInt32(0).writeArray(topics).buffer
}

export interface Address {
  readonly nodeId: number
  readonly port: number
}

/** A metadata response (version 6) with other brokers, all on 127.0.0.1, and the leaders from `leader`. */
export const rewriteMetadata = (
  frame: Buffer,
  nodes: readonly Address[],
  leader: (target: Target) => number,
): Buffer => {
  const reader = new ReaderClass(frame)
  const writer = new WriterClass()
    .writeInt32(reader.readInt32())
    .writeInt32(reader.readInt32())
    .writeArray(
      nodes.map(({ nodeId, port }) =>
        new WriterClass().writeInt32(nodeId).writeString('127.0.0.1').writeInt32(port).writeString(null),
      ),
    )
  reader.readArray((broker) => {
    broker.readInt32()
    broker.readString()
    broker.readInt32()
    broker.readString()
  })
  writer.writeString(reader.readString()).writeInt32(nodes[0]!.nodeId)
  reader.readInt32()
  const topics = reader.readArray((one) => {
    const errorCode = one.readInt16()
    const topic = one.readString()!
    const isInternal = one.readInt8()
    const partitions = one.readArray((part) => {
      const partitionError = part.readInt16()
      const partition = part.readInt32()
      part.readInt32()
      for (let i = 0; i < 3; i++) part.readArray((ids) => ids.readInt32())
      const leaderId = leader({ topic, partition })
      const ids = [leaderId]
      return new WriterClass()
        .writeInt16(leaderId < 0 ? ERROR.leaderAway : partitionError)
        .writeInt32(partition)
        .writeInt32(leaderId)
        .writeArray(ids)
        .writeArray(ids)
        .writeArray([])
    })
    return new WriterClass()
      .writeInt16(errorCode)
      .writeString(topic)
      .writeInt8(isInternal)
      .writeArray(partitions)
  })
  return writer.writeArray(topics).buffer
}

/** A coordinator response (version 1 or 2) with another address. Leaves an error unchanged. */
export const rewriteCoordinator = (frame: Buffer, { nodeId, port }: Address): Buffer => {
  const reader = new ReaderClass(frame)
  const correlationId = reader.readInt32()
  const throttle = reader.readInt32()
  const errorCode = reader.readInt16()
  if (errorCode !== 0) return frame
  const message = reader.readString()
  return new WriterClass()
    .writeInt32(correlationId)
    .writeInt32(throttle)
    .writeInt16(errorCode)
    .writeString(message)
    .writeInt32(nodeId)
    .writeString('127.0.0.1')
    .writeInt32(port).buffer
}
