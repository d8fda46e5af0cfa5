import { createRequire } from 'node:module'
import { zstdCompressSync, gzipSync } from 'node:zlib'
import { compressFrameSync } from 'lz4-napi'
import { compressSync } from 'snappy'
import type { EncodedRecord } from '../protocol/encoded-record.ts'
import { ResponseMemory, readRecordSet, type RecordSetSource } from '../protocol/record-batch.ts'

/** Encodes batches in Kafka's record format v2, including forms that only compaction creates. */
const require = createRequire(import.meta.url)
const crc32c = require('kafkajs/src/protocol/recordBatch/crc32C') as (bytes: Buffer) => number

export interface BatchOptions {
  readonly firstOffset: bigint
  readonly records: readonly {
    readonly offset: bigint
    readonly key?: Buffer | null
    readonly value?: Buffer | null
    readonly headers?: Readonly<Record<string, Buffer>> | readonly (readonly [string, Buffer | null])[]
    /** Default: the timestamp of the batch. */
    readonly timestamp?: number
  }[]
  /** Default: the offset of the last record. A higher value means that compaction removed the last records. */
  readonly lastOffset?: bigint
  readonly producerId?: bigint
  readonly isTransactional?: boolean
  readonly isControl?: boolean
  /** A value of kafkajs' `CompressionTypes`. */
  readonly compression?: number
  /** Default 1,700,000,000,000. */
  readonly timestamp?: number
  /** Append time by the broker's clock, which replaces the records' own timestamps. */
  readonly appendTimestamp?: number
}

const LENGTH_END = 12
const CRC_AT = 17
const ATTRIBUTES_AT = 21
const APPEND_TIME_FLAG = 0x08
const TRANSACTIONAL_FLAG = 0x10
const CONTROL_FLAG = 0x20
const COMPRESS = [
  (bytes: Buffer) => bytes,
  gzipSync,
  (bytes: Buffer) => compressSync(bytes),
  (bytes: Buffer) => compressFrameSync(bytes),
  zstdCompressSync,
]

/** A zigzag varint: seven bits per byte, the lowest first. */
const varint = (value: bigint | number): Buffer => {
  let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n))
  const bytes: number[] = []
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
  return Buffer.from([...bytes, Number(rest)])
}

const sized = (bytes: Buffer | null): Buffer =>
  bytes === null ? varint(-1) : Buffer.concat([varint(bytes.length), bytes])

const encodeRecord = (
  { offset, key = null, value = null, headers = [], timestamp }: BatchOptions['records'][number],
  { firstOffset, timestamp: firstTimestamp = 1_700_000_000_000 }: BatchOptions,
): Buffer => {
  const list: readonly (readonly [string, Buffer | null])[] =
    headers instanceof Array ? headers : Object.entries(headers)
  return sized(
    Buffer.concat([
      Buffer.from([0]),
      varint((timestamp ?? firstTimestamp) - firstTimestamp),
      varint(offset - firstOffset),
      sized(key),
      sized(value),
      varint(list.length),
      ...list.flatMap(([name, one]) => [sized(Buffer.from(name)), sized(one)]),
    ]),
  )
}

export const recordBatch = (options: BatchOptions): Buffer => {
  const { firstOffset, records, producerId = -1n, compression = 0, appendTimestamp } = options
  const { timestamp = 1_700_000_000_000 } = options
  const lastOffset = options.lastOffset ?? records.at(-1)!.offset
  const body = COMPRESS[compression]!(Buffer.concat(records.map((record) => encodeRecord(record, options))))
  const attributes =
    compression |
    (appendTimestamp === undefined ? 0 : APPEND_TIME_FLAG) |
    (options.isTransactional ? TRANSACTIONAL_FLAG : 0) |
    (options.isControl ? CONTROL_FLAG : 0)
  const head = Buffer.alloc(61)
  head.writeBigInt64BE(firstOffset, 0)
  head.writeInt32BE(head.length - LENGTH_END + body.length, 8)
  head[16] = 2
  head.writeInt16BE(attributes, ATTRIBUTES_AT)
  head.writeInt32BE(Number(lastOffset - firstOffset), 23)
  head.writeBigInt64BE(BigInt(timestamp), 27)
  head.writeBigInt64BE(BigInt(appendTimestamp ?? timestamp), 35)
  head.writeBigInt64BE(producerId, 43)
  head.writeInt32BE(records.length, 57)
  return stamped(Buffer.concat([head, body]))
}

/** A control marker, as the coordinator writes it. */
export const endMarker = (offset: bigint, producerId: bigint, type: 'abort' | 'commit'): Buffer => {
  const key = Buffer.from([0, 0, 0, type === 'abort' ? 0 : 1])
  return recordBatch({
    firstOffset: offset,
    producerId,
    isTransactional: true,
    isControl: true,
    records: [{ offset, key, value: Buffer.alloc(6) }],
  })
}

/** The readable records of the batches, and the offset after them. */
export const readBatches = (
  batches: readonly Buffer[],
  source: Partial<RecordSetSource> = {},
): Promise<ReturnType<typeof readRecordSet>> =>
  new Promise((resolve) => {
    const memory = new ResponseMemory()
    const of = { topic: 'topic', partition: 3, from: 0n, aborted: [], isFirstWhole: false, memory, ...source }
    resolve(readRecordSet(Buffer.concat(batches), of))
  })

/** Recomputes the checksum of a batch, so that a reader gets past it to the next defect. */
export const stamped = (batch: Buffer): Buffer => {
  batch.writeUInt32BE(crc32c(batch.subarray(ATTRIBUTES_AT)), CRC_AT)
  return batch
}

export const recordsOf = async (...batches: readonly Buffer[]): Promise<readonly EncodedRecord[]> =>
  (await readBatches(batches)).records
