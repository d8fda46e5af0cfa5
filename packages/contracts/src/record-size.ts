import type { WireRecord } from './wire.ts'

/**
 * The largest record that a stage writes, dead letters aside. A letter adds a few headers of its own, so every record
 * within this bound has a letter that holds it whole.
 */
export const RECORD_BYTES_MAX = 1_000_000

/** The least `max.message.bytes` with which a topic takes every record and every letter. */
export const TOPIC_RECORD_BYTES_MIN = 1_040_000

/** Of a record's own fields in a batch. */
export const RECORD_OVERHEAD_BYTES = 30
const HEADER_OVERHEAD_BYTES = 4

/** Bytes of a record in a batch, rounded up. */
export const recordBytesOf = ({
  key,
  value,
  headers,
}: Pick<WireRecord, 'value' | 'headers'> & { readonly key: Buffer | null }): number =>
  RECORD_OVERHEAD_BYTES + (key?.length ?? 0) + (value?.length ?? 0) + headerBytesOf(headers)

/** What is wrong with the size of a record that a stage is about to write; undefined when every topic takes it. */
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
