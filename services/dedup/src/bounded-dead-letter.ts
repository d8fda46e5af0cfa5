import {
  encodeDeadLetter,
  HEADER,
  type DeadLetter,
  type DeadLetterKeys,
  type WireHeaders,
  type WireRecord,
} from '@weir/contracts'

/** Below a topic's default limit of 1 MiB, with room for the letter's own headers. */
const RECORD_BYTES_MAX = 1_000_000
const HEADERS_BYTES_MAX = 64_000
const KEY_BYTES_MAX = 4_000

const bytesOf = (headers: WireHeaders): number => {
  let bytes = 0
  for (const name in headers) bytes += name.length + headers[name]!.length
  return bytes
}

/**
 * A letter that the topic takes, whatever the record was: one that could not be written would stop the partition for
 * good. The whole record can still be read where `dlq-source-*` says, while that topic keeps it.
 */
export const boundedDeadLetter = (letter: DeadLetter, keys?: DeadLetterKeys): WireRecord => {
  const { origin } = letter
  const { key, value, headers } = origin
  const headerBytes = bytesOf(headers)
  const total = (key?.length ?? 0) + (value?.length ?? 0) + headerBytes
  if (total <= RECORD_BYTES_MAX && headerBytes <= HEADERS_BYTES_MAX && (key?.length ?? 0) <= KEY_BYTES_MAX) {
    return encodeDeadLetter(letter, keys)
  }
  const room = RECORD_BYTES_MAX - KEY_BYTES_MAX - HEADERS_BYTES_MAX
  const bounded = {
    ...letter,
    origin: {
      ...origin,
      key: key?.subarray(0, KEY_BYTES_MAX) ?? null,
      value: value?.subarray(0, room) ?? null,
      headers: headerBytes <= HEADERS_BYTES_MAX ? headers : {},
    },
    headers: { ...letter.headers, [HEADER.dlqTruncated]: Buffer.from(String(value?.length ?? 0)) },
  }
  return encodeDeadLetter(bounded, keys)
}
