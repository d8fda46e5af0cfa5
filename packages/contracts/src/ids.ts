import { hash } from 'node:crypto'

declare const brand: unique symbol
type Brand<T, B extends string> = T & { readonly [brand]: B }

/** The identity of an event for ever: 16 bytes, `sha256(source NUL dedup key)` truncated. Sinks use it as their primary key. */
export type EventKey = Brand<Buffer, 'EventKey'>
/** `source|interactionId`: what shares a partition, and so an order. */
export type EntityKey = Brand<string, 'EntityKey'>

export const EVENT_KEY_BYTES = 16

export const eventKeyOf = (source: string, dedupKey: string): EventKey =>
  hash('sha256', `${source}\0${dedupKey}`, 'buffer').subarray(0, EVENT_KEY_BYTES) as EventKey

/** Takes 16 bytes as an event key; throws a `RangeError` on any other length. */
export const asEventKey = (bytes: Buffer): EventKey => {
  if (bytes.length !== EVENT_KEY_BYTES) {
    throw new RangeError(`an event key has ${EVENT_KEY_BYTES} bytes, not ${bytes.length}`)
  }
  return bytes as EventKey
}

export const entityKeyOf = (source: string, interactionId: string): EntityKey =>
  `${source}|${interactionId}` as EntityKey

/** Joins the parts of a dedup key with `:`; a `:` or `\` inside a part is escaped, so different parts never give the same key. */
export const joinDedupKey = (parts: readonly string[]): string =>
  parts.map((part) => part.replace(/[\\:]/g, '\\$&')).join(':')
