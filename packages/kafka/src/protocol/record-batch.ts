import { crc32c } from '@node-rs/crc32'
import { ByteReader } from './byte-reader.ts'
import { decompressed, OversizedBatchError } from './codecs.ts'
import { EncodedRecord, RECORD_OVERHEAD_BYTES, type FetchedBatch } from './encoded-record.ts'

export interface AbortedTransaction {
  readonly producerId: bigint
  /** Offset of its first record in this partition. */
  readonly firstOffset: bigint
}

interface RecordSet {
  /** Records of committed transactions and records outside transactions. */
  readonly records: readonly EncodedRecord[]
  /** The offset after the last batch, readable or not; undefined without a complete batch. */
  readonly nextOffset: bigint | undefined
}

export interface RecordSetSource {
  readonly topic: string
  readonly partition: number
  /** The wanted offset. Brokers send whole batches, so the first batch may begin before it. */
  readonly from: bigint
  readonly aborted: readonly AbortedTransaction[]
  /** True when the broker had to send the first batch whole, so an incomplete one is damaged. */
  readonly isFirstWhole: boolean
  /** Shared by all partitions of the response. */
  readonly memory: ResponseMemory
}

/**
 * Limits the memory of the records of one response, because a megabyte of small compressed batches may hold gigabytes.
 * Batches beyond the limit are left out and fetched again. The first batch is always read; `BATCH_BYTES_MAX` limits it.
 */
export class ResponseMemory {
  #left = ANSWER_MEMORY_BYTES

  get isUsedUp(): boolean {
    return this.#left <= 0
  }

  use(bytes: number): void {
    this.#left -= bytes
  }
}

const ANSWER_MEMORY_BYTES = 33_554_432
/** Decompressed size. Weir writes batches of at most a megabyte, and other tools hardly larger ones. */
const BATCH_BYTES_MAX = 16_777_216
/** The number of smallest records that fit in a batch of a megabyte. */
const BATCH_RECORDS_MAX = 200_000

/** A batch whose bytes differ from what was written. A retry helps only if they were damaged in transit. */
export class DamagedBatchError extends RangeError {
  override readonly name = 'DamagedBatchError'
}

/** Offsets of the fields of a batch, https://kafka.apache.org/documentation/#recordbatch. */
const LENGTH_AT = 8
const LENGTH_END = 12
const MAGIC_AT = 16
const CRC_AT = 17
const ATTRIBUTES_AT = 21
const RECORDS_AT = 61
const MAGIC = 2
const APPEND_TIME_FLAG = 0x08
const TRANSACTIONAL_FLAG = 0x10
const CONTROL_FLAG = 0x20
const NO_PRODUCER = -1n
const PRODUCER_EPOCH_AND_SEQUENCE_BYTES = 6
const ABORT_MARKER_TYPE = 0

interface Batch extends FetchedBatch {
  readonly attributes: number
  readonly lastOffset: bigint
  readonly producerId: bigint
  readonly count: number
  /** The bytes from the first record on. */
  readonly body: Buffer
}

/**
 * Reads the batches that a fetch returned for one partition, with read_committed isolation. Throws a
 * `DamagedBatchError` when the CRC-32C of a batch is wrong or its offset or length, which the checksum does not cover,
 * contradicts its neighbours. Throws another `RangeError` for an intact batch that cannot be read, for example an
 * `OversizedBatchError`.
 */
export const readRecordSet = (bytes: Buffer, source: RecordSetSource): RecordSet => {
  const aborts = new AbortedTransactions(source.aborted)
  const records: EncodedRecord[] = []
  let nextOffset: bigint | undefined
  for (let at = 0; at < bytes.length && !source.memory.isUsedUp;) {
    try {
      const end = batchEnd(bytes, at)
      // The last batch may be incomplete. It is fetched again from its beginning.
      if (end === undefined) {
        if (at === 0 && source.isFirstWhole) {
          throw new DamagedBatchError(`the first batch is longer than the ${bytes.length} bytes received`)
        }
        break
      }
      const batch = readBatch(bytes.subarray(at, end), source)
      requireOrder(batch, nextOffset, source.from)
      takeBatch(batch, { aborts, records, source })
      nextOffset = batch.lastOffset + 1n
      at = end
    } catch (error) {
      // Returns the batches before an unreadable one; the next fetch begins with it. An order error depends on the
      // batches before, so it is thrown at once.
      if (nextOffset === undefined || error instanceof DamagedBatchError) throw error
      break
    }
  }
  return { records, nextOffset }
}

interface Reading {
  readonly aborts: AbortedTransactions
  readonly records: EncodedRecord[]
  readonly source: RecordSetSource
}

const takeBatch = (batch: Batch, { aborts, records, source }: Reading): void => {
  const isAborted = aborts.covers(batch)
  if ((batch.attributes & CONTROL_FLAG) !== 0) {
    if (isAbortMarker(batch)) aborts.end(batch.producerId)
  } else if (!isAborted) {
    const found: EncodedRecord[] = []
    source.memory.use(readRecords(batch, source.from, found))
    for (const record of found) records.push(record)
  }
}

/** Undefined when the batch is incomplete. */
const batchEnd = (bytes: Buffer, at: number): number | undefined => {
  if (at + RECORDS_AT > bytes.length) return undefined
  const end = at + LENGTH_END + bytes.readInt32BE(at + LENGTH_AT)
  if (end < at + RECORDS_AT) {
    throw new DamagedBatchError(`the batch at offset ${bytes.readBigInt64BE(at)} is shorter than its header`)
  }
  return end > bytes.length ? undefined : end
}

/**
 * The checksum does not cover the offset of a batch, which the broker sets. Only the order of offsets can be checked.
 */
const requireOrder = (
  { firstOffset, lastOffset }: Batch,
  previousEnd: bigint | undefined,
  from: bigint,
): void => {
  if (previousEnd === undefined ? lastOffset >= from : firstOffset >= previousEnd) return
  throw new DamagedBatchError(
    `a batch states the offsets ${firstOffset} to ${lastOffset}, but ${previousEnd ?? from} or more must follow`,
  )
}

const requireChecksum = (bytes: Buffer, firstOffset: bigint): void => {
  const stated = bytes.readUInt32BE(CRC_AT)
  const found = crc32c(bytes.subarray(ATTRIBUTES_AT))
  if (found === stated) return
  throw new DamagedBatchError(
    `the batch at offset ${firstOffset} is damaged: it states CRC-32C ${hex(stated)}, and its bytes have ${hex(found)}`,
  )
}

const hex = (crc: number): string => `0x${crc.toString(16).padStart(8, '0')}`

const readBatch = (bytes: Buffer, { topic, partition }: RecordSetSource): Batch => {
  const firstOffset = bytes.readBigInt64BE(0)
  if (bytes[MAGIC_AT] !== MAGIC) {
    throw new DamagedBatchError(
      `the batch at offset ${firstOffset} has format ${bytes[MAGIC_AT]}, not ${MAGIC}`,
    )
  }
  requireChecksum(bytes, firstOffset)
  const reader = new ByteReader(bytes, ATTRIBUTES_AT)
  const attributes = reader.int16()
  const lastOffset = firstOffset + BigInt(reader.int32())
  const firstTimestamp = Number(reader.int64())
  const maxTimestamp = Number(reader.int64())
  const producerId = reader.int64()
  reader.skip(PRODUCER_EPOCH_AND_SEQUENCE_BYTES)
  return {
    topic,
    partition,
    attributes,
    firstOffset,
    lastOffset,
    firstTimestamp,
    producerId,
    appendTimestamp: (attributes & APPEND_TIME_FLAG) === 0 ? undefined : maxTimestamp,
    count: reader.int32(),
    body: bytes.subarray(RECORDS_AT),
  }
}

/** Returns the estimated memory of the records, bytes. */
const readRecords = (batch: Batch, from: bigint, records: EncodedRecord[]): number => {
  const reader = new ByteReader(recordBytesOf(batch))
  const deltaMin = from > batch.firstOffset ? Number(from - batch.firstOffset) : 0
  for (let left = batch.count; left > 0; left--) {
    const length = reader.varInt()
    const end = reader.at + length
    if (length < 1 || end > reader.bytes.length) {
      throw new RangeError(`a record states ${length} bytes, but ${reader.bytes.length - reader.at} are left`)
    }
    // Record attributes, which Kafka does not use.
    reader.skip(1)
    const timestampDelta = reader.varLong()
    const offsetDelta = reader.varInt()
    const record = new EncodedRecord(batch, offsetDelta, timestampDelta, reader, end)
    if (offsetDelta >= deltaMin) records.push(record)
  }
  return reader.bytes.length + batch.count * RECORD_OVERHEAD_BYTES
}

const recordBytesOf = ({ body, count, attributes, firstOffset, lastOffset }: Batch): Buffer => {
  const what = `the batch of the offsets ${firstOffset} to ${lastOffset}, of ${body.length} bytes, holds`
  if (count > BATCH_RECORDS_MAX) {
    throw new OversizedBatchError(`${what} ${count} records, more than ${BATCH_RECORDS_MAX}`)
  }
  try {
    return count === 0 ? body : decompressed(body, attributes, BATCH_BYTES_MAX)
  } catch (error) {
    if (!(error instanceof OversizedBatchError)) throw error
    throw new OversizedBatchError(`${what} ${error.message}`)
  }
}

/** The key of a marker holds its version and its type, int16 each. Compaction may have emptied the batch. */
const isAbortMarker = (batch: Batch): boolean => {
  const records: EncodedRecord[] = []
  readRecords(batch, batch.firstOffset, records)
  const key = records[0]?.key
  return key != null && key.length >= 4 && key.readInt16BE(2) === ABORT_MARKER_TYPE
}

/** Tracks the producers with an open aborted transaction, batch by batch as the Java client does. */
class AbortedTransactions {
  /** Sorted so that the earliest first offset comes last. The broker sorts by the end of the transaction. */
  readonly #waiting: AbortedTransaction[]
  readonly #open = new Set<bigint>()

  constructor(aborted: readonly AbortedTransaction[]) {
    this.#waiting = aborted.toSorted((a, b) => Number(b.firstOffset - a.firstOffset))
  }

  /** True for a batch of an aborted transaction. */
  covers({ lastOffset, producerId, attributes }: Batch): boolean {
    if (producerId === NO_PRODUCER) return false
    // Several transactions may have begun before the first batch.
    while (this.#waiting.length > 0 && this.#waiting.at(-1)!.firstOffset <= lastOffset) {
      this.#open.add(this.#waiting.pop()!.producerId)
    }
    return (attributes & TRANSACTIONAL_FLAG) !== 0 && this.#open.has(producerId)
  }

  end(producerId: bigint): void {
    this.#open.delete(producerId)
  }
}
