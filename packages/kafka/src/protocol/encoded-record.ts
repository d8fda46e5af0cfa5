import type { WireHeaders } from '@weir/contracts'
import { ByteReader } from './byte-reader.ts'
import { HeaderNames } from './header-names.ts'
import type { InputRecord, OutputRecord } from './record.ts'

/** The fields that all records of one batch share. */
export interface FetchedBatch {
  readonly topic: string
  readonly partition: number
  readonly firstOffset: bigint
  readonly firstTimestamp: number
  /** Time of the broker's append, ms; undefined when each record has its own timestamp. */
  readonly appendTimestamp: number | undefined
}

const names = new HeaderNames()
/** Estimated memory of the object and of its place in queues. */
export const RECORD_OVERHEAD_BYTES = 200

/** A fetched record. Key, value and headers are views of the response. A copy made with `...` is a plain record. */
export class EncodedRecord implements InputRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: WireHeaders
  readonly #bytes: Buffer
  /** Position of the key length. From there to the end, a record has the same bytes in every batch. */
  readonly #from: number
  readonly #end: number

  /**
   * `reader` stands after the record's offset and moves to `end`. Throws a `RangeError` when the record does not end
   * there.
   */
  constructor(
    batch: FetchedBatch,
    offsetDelta: number,
    timestampDelta: number,
    reader: ByteReader,
    end: number,
  ) {
    this.topic = batch.topic
    this.partition = batch.partition
    this.offset = batch.firstOffset + BigInt(offsetDelta)
    this.timestamp = batch.appendTimestamp ?? batch.firstTimestamp + timestampDelta
    this.#bytes = reader.bytes
    this.#from = reader.at
    this.#end = end
    this.key = reader.part(reader.varInt())
    this.value = reader.part(reader.varInt())
    this.headers = readHeaders(reader, end)
    if (reader.at !== end) throw new RangeError(`a record ends at byte ${reader.at} instead of ${end}`)
  }

  /** Length of `encoded()`. */
  encodedLength(): number {
    return this.#end - this.#from
  }

  /** The wire bytes of key, value and headers. */
  encoded(): Buffer {
    return this.#bytes.subarray(this.#from, this.#end)
  }
}

/** Weir writes about 30 headers. A foreign record may have a million, and each becomes an object. */
const HEADERS_MAX = 256

/**
 * Kafka allows duplicate header names; the last one counts. A record with more than `HEADERS_MAX` headers is read
 * without headers, so the processor writes it as a dead letter.
 */
const readHeaders = (reader: ByteReader, end: number): WireHeaders => {
  const headers = new Headers()
  const count = reader.varInt()
  if (count > HEADERS_MAX) {
    reader.at = end
    return headers
  }
  for (let left = count; left > 0 && reader.at <= end; left--) {
    const nameLength = reader.varInt()
    const nameAt = reader.at
    reader.skip(nameLength)
    const name = names.read(reader.bytes, nameAt, reader.at)
    const value = reader.part(reader.varInt())
    // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- rare, and a map would be slower for all others
    if (value === null) delete headers[name]
    else headers[name] = value
  }
  return headers
}

/** Has no prototype, because a header may have any name. Unlike `Object.create(null)`, it is not a slow dictionary. */
const Headers = function () {
  // Instances get the headers as properties.
} as unknown as new () => Record<string, Buffer>
Headers.prototype = Object.create(null) as object

/** A record that is copied to another topic unchanged. Its bytes are copied without decoding and encoding. */
export class ForwardedRecord implements OutputRecord {
  readonly topic: string
  readonly partition: number
  readonly key: Buffer
  readonly value: Buffer | null
  readonly headers: WireHeaders
  readonly #record: EncodedRecord

  /** Requires a record with a key. */
  constructor(topic: string, partition: number, record: EncodedRecord) {
    this.topic = topic
    this.partition = partition
    this.key = record.key!
    this.value = record.value
    this.headers = record.headers
    this.#record = record
  }

  /** Length of `encoded()`. */
  encodedLength(): number {
    return this.#record.encodedLength()
  }

  /** The wire bytes of key, value and headers. */
  encoded(): Buffer {
    return this.#record.encoded()
  }
}

/** The record with another topic and partition. Throws a `RangeError` for a record without a key. */
export const toOutputRecord = (record: InputRecord, topic: string, partition: number): OutputRecord => {
  if (record.key === null) throw new RangeError('the record has no key')
  if (record instanceof EncodedRecord) return new ForwardedRecord(topic, partition, record)
  const { key, value, headers } = record
  return { topic, partition, key, value, headers }
}

/** Estimated memory of a record, bytes. */
export const bytesOf = (record: InputRecord): number =>
  RECORD_OVERHEAD_BYTES +
  (record instanceof EncodedRecord
    ? record.encodedLength()
    : (record.key?.length ?? 0) + (record.value?.length ?? 0))
