import type { WireRecord } from './wire.ts'

/**
 * The largest record that a service writes, except dead letters. A letter adds only a few headers, so a letter holds
 * every record within this limit whole.
 */
export const RECORD_BYTES_MAX = 1_000_000

/** The smallest `max.message.bytes` with which a topic accepts every record and every letter. */
export const TOPIC_RECORD_BYTES_MIN = 1_040_000

/** Bytes of a record's fixed fields in a batch. */
export const RECORD_OVERHEAD_BYTES = 30
const HEADER_OVERHEAD_BYTES = 4

/** Size of a record in a batch, rounded up, bytes. */
export const recordBytesOf = ({
  key,
  value,
  headers,
}: Pick<WireRecord, 'value' | 'headers'> & { readonly key: Buffer | null }): number =>
  RECORD_OVERHEAD_BYTES + (key?.length ?? 0) + (value?.length ?? 0) + headerBytesOf(headers)

/** Describes why a record is too large to write. Returns undefined if every topic accepts the record. */
export const recordSizeFault = (record: Parameters<typeof recordBytesOf>[0]): string | undefined => {
  const bytes = recordBytesOf(record)
  if (bytes <= RECORD_BYTES_MAX) return undefined
  return `the record would have ${bytes} bytes, and the limit is ${RECORD_BYTES_MAX}`
}

export const headerBytesOf = (headers: WireRecord['headers']): number => {
  let bytes = 0
  for (const name in headers) bytes += name.length + headers[name]!.length + HEADER_OVERHEAD_BYTES
  return bytes
}
