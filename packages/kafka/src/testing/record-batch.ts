import { createRequire } from 'node:module'
import type { DecodedRecord } from '../internals.ts'

/** The bytes of a broker's log, as Kafka's record format v2 has them, also those that only compaction makes. */
const require = createRequire(import.meta.url)

interface Encoder {
  readonly buffer: Buffer
  writeInt64(value: bigint): Encoder
  writeBytes(value: Buffer): Encoder
}

interface EncodedRecord {
  readonly offsetDelta: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers?: Readonly<Record<string, Buffer>>
}

const encodeRecord = require('kafkajs/src/protocol/recordBatch/record/v0') as (
  record: EncodedRecord,
) => Encoder
const { RecordBatch } = require('kafkajs/src/protocol/recordBatch/v0') as {
  RecordBatch: (batch: object) => Promise<Encoder>
}
const crc32c = require('kafkajs/src/protocol/recordBatch/crc32C') as (bytes: Buffer) => number
const decodeMessages = require('kafkajs/src/protocol/requests/fetch/v4/decodeMessages') as (
  decoder: unknown,
) => Promise<DecodedRecord[]>
const DecoderClass = require('kafkajs/src/protocol/decoder') as new (bytes: Buffer) => unknown

export interface BatchOptions {
  readonly firstOffset: bigint
  readonly records: readonly {
    readonly offset: bigint
    readonly key?: Buffer | null
    readonly value?: Buffer | null
    readonly headers?: Readonly<Record<string, Buffer>>
  }[]
  /** Default: that of the last record. Higher: compaction has removed records from the end. */
  readonly lastOffset?: bigint
  readonly producerId?: bigint
  readonly isTransactional?: boolean
  readonly isControl?: boolean
  /** Of kafkajs' `CompressionTypes`. */
  readonly compression?: number
}

const CRC_AT = 17
const ATTRIBUTES_AT = 21
const CONTROL_FLAG = 0x20

export const recordBatch = async (options: BatchOptions): Promise<Buffer> => {
  const { firstOffset, records, producerId = -1n, isTransactional = false, compression = 0 } = options
  const lastOffset = options.lastOffset ?? records.at(-1)!.offset
  const batch = await RecordBatch({
    ...{ firstOffset, producerId, compression, transactional: isTransactional },
    lastOffsetDelta: Number(lastOffset - firstOffset),
    records: records.map(({ offset, key = null, value = null, headers = {} }) =>
      encodeRecord({ offsetDelta: Number(offset - firstOffset), key, value, headers }),
    ),
  })
  const bytes = Buffer.from(batch.buffer)
  if (options.isControl) {
    bytes.writeInt16BE(bytes.readInt16BE(ATTRIBUTES_AT) | CONTROL_FLAG, ATTRIBUTES_AT)
    bytes.writeUInt32BE(crc32c(bytes.subarray(ATTRIBUTES_AT)), CRC_AT)
  }
  return bytes
}

/** The end of a transaction, as the coordinator writes it. */
export const endMarker = (offset: bigint, producerId: bigint, type: 'abort' | 'commit'): Promise<Buffer> => {
  const key = Buffer.from([0, 0, 0, type === 'abort' ? 0 : 1])
  return recordBatch({
    ...{ firstOffset: offset, producerId, isTransactional: true, isControl: true },
    records: [{ offset, key, value: Buffer.alloc(6) }],
  })
}

/** What kafkajs makes of the record set of one partition. */
export const decodeBatches = (batches: readonly Buffer[]): Promise<DecodedRecord[]> => {
  const set = Buffer.concat(batches)
  const size = Buffer.alloc(4)
  size.writeInt32BE(set.length)
  return decodeMessages(new DecoderClass(Buffer.concat([size, set])))
}
