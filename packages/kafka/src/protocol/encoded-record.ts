import type { WireHeaders } from '@weir/contracts'
import { ByteReader } from './byte-reader.ts'
import { HeaderNames } from './header-names.ts'
import type { InputRecord, OutputRecord } from './record.ts'

/** What the records of one batch have in common. */
export interface FetchedBatch {
  readonly topic: string
  readonly partition: number
  readonly firstOffset: bigint
  readonly firstTimestamp: number
  /** The broker's clock; undefined: each record has a time of its own. */
  readonly appendTimestamp: number | undefined
}

const names = new HeaderNames()
/** The object itself, and its place in queues. */
export const RECORD_OVERHEAD_BYTES = 200

/** A record as it was fetched, whose parts are views of the response. Copies of it by `...` are plain records. */
export class EncodedRecord implements InputRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: WireHeaders
  readonly #bytes: Buffer
  /** Where the length of the key is: from there to the end it is the same in every batch. */
  readonly #from: number
  readonly #end: number

  /**
   * `reader` is behind the record's offset; it moves to `end`. Throws a `RangeError` when the record is not of that
   * length.
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
    if (reader.at !== end) throw new RangeError(`a record that ends at ${reader.at} and not at ${end}`)
  }

  /** Of `encoded()`. */
  encodedLength(): number {
    return this.#end - this.#from
  }

  /** Key, value and headers as they are in a batch. */
  encoded(): Buffer {
    return this.#bytes.subarray(this.#from, this.#end)
  }
}

/** Weir writes about thirty. A foreign record may have a million, and each becomes an object. */
const HEADERS_MAX = 256

/**
 * Kafka allows a header name twice; the last one counts. More than `HEADERS_MAX` are read as none, so that the stage
 * makes a letter of the record.
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

/** Without a prototype, since a header may have any name; unlike `Object.create(null)` not a slow dictionary. */
const Headers = function () {
  // Its members are the headers.
} as unknown as new () => Record<string, Buffer>
Headers.prototype = Object.create(null) as object

/** A record on its way to another topic with all that it has: its bytes are copied, not read and written anew. */
export class ForwardedRecord implements OutputRecord {
  readonly topic: string
  readonly partition: number
  readonly key: Buffer
  readonly value: Buffer | null
  readonly headers: WireHeaders
  readonly #record: EncodedRecord

  /** The record must have a key. */
  constructor(topic: string, partition: number, record: EncodedRecord) {
    this.topic = topic
    this.partition = partition
    this.key = record.key!
    this.value = record.value
    this.headers = record.headers
    this.#record = record
  }

  /** Of `encoded()`. */
  encodedLength(): number {
    return this.#record.encodedLength()
  }

  /** Key, value and headers as they are in a batch. */
  encoded(): Buffer {
    return this.#record.encoded()
  }
}

/** A record to write elsewhere as it is; it must have a key. */
export const toOutputRecord = (record: InputRecord, topic: string, partition: number): OutputRecord => {
  if (record.key === null) throw new RangeError('a record without a key')
  if (record instanceof EncodedRecord) return new ForwardedRecord(topic, partition, record)
  const { key, value, headers } = record
  return { topic, partition, key, value, headers }
}

/** Bytes of a record in memory, about. */
export const bytesOf = (record: InputRecord): number =>
  RECORD_OVERHEAD_BYTES +
  (record instanceof EncodedRecord
    ? record.encodedLength()
    : (record.key?.length ?? 0) + (record.value?.length ?? 0))
