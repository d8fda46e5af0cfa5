import { RECORD_OVERHEAD_BYTES, recordBytesOf, type WireRecord } from '@weir/contracts'
import { ForwardedRecord } from '../protocol/encoded-record.ts'

/** Each send is one record batch. Above a few thousand records kafkajs takes quadratic time. */
export const SEND_RECORDS_MAX = 1_000
/** Below a topic's default `max.message.bytes` of 1 MiB. */
export const SEND_BYTES_MAX = 700_000

/** Bytes of a record in a batch, rounded up. */
export const wireBytesOf = (record: WireRecord): number =>
  record instanceof ForwardedRecord ? RECORD_OVERHEAD_BYTES + record.encodedLength() : recordBytesOf(record)

/** Splits records, in order, into chunks of one send each. A record above the limit gets its own chunk. */
export const chunksOf = <R extends WireRecord>(
  records: readonly R[],
  recordsMax = SEND_RECORDS_MAX,
  bytesMax = SEND_BYTES_MAX,
): readonly (readonly R[])[] => {
  const chunks: R[][] = []
  let chunk: R[] = []
  let bytes = 0
  for (const record of records) {
    const size = wireBytesOf(record)
    if (chunk.length > 0 && (chunk.length === recordsMax || bytes + size > bytesMax)) {
      chunks.push(chunk)
      chunk = []
      bytes = 0
    }
    chunk.push(record)
    bytes += size
  }
  if (chunk.length > 0) chunks.push(chunk)
  return chunks
}
