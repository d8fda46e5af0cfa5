import { createHash, hash } from 'node:crypto'

declare const brand: unique symbol
type Brand<T, B extends string> = T & { readonly [brand]: B }

/**
 * The permanent identity of an event: the first 16 bytes of `sha256(source NUL dedup key)`. Sinks use it as primary
 * key.
 */
export type EventKey = Brand<Buffer, 'EventKey'>
/** `source|interactionId`. Events with the same entity key share a partition and keep their order. */
export type EntityKey = Brand<string, 'EntityKey'>

export const EVENT_KEY_BYTES = 16

/** Takes the digest as text and converts it, because a buffer from `hash` costs five times as much. */
export const eventKeyOf = (source: string, dedupKey: string): EventKey =>
  Buffer.from(
    hash('sha256', `${source}\0${dedupKey}`, 'binary').slice(0, EVENT_KEY_BYTES),
    'latin1',
  ) as EventKey

/**
 * The identity of the content that a source signed, 16 bytes. Two events with the same content key and different ids
 * may be a captured request that was sent again, which does not require the secret.
 */
export const contentKeyOf = (source: string, content: Buffer): Buffer =>
  createHash('sha256').update(`content\0${source}\0`).update(content).digest().subarray(0, EVENT_KEY_BYTES)

/** Brands 16 bytes as an event key. Throws a `RangeError` for any other length. */
export const asEventKey = (bytes: Buffer): EventKey => {
  if (bytes.length !== EVENT_KEY_BYTES) {
    throw new RangeError(`an event key has ${EVENT_KEY_BYTES} bytes, not ${bytes.length}`)
  }
  return bytes as EventKey
}

export const entityKeyOf = (source: string, interactionId: string): EntityKey =>
  `${source}|${interactionId}` as EntityKey

const SPECIAL = /[\\:]/

/**
 * Joins the parts of a dedup key with `:`. Escapes `:` and `\` in a part, so different parts never give the same key.
 */
export const joinDedupKey = (parts: readonly string[]): string =>
  parts.map((part) => (SPECIAL.test(part) ? part.replace(/[\\:]/g, '\\$&') : part)).join(':')
