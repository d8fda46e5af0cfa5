import { createHash, hash } from 'node:crypto'

declare const brand: unique symbol
type Brand<T, B extends string> = T & { readonly [brand]: B }

/** The identity of an event for ever: 16 bytes, `sha256(source NUL dedup key)` truncated. Sinks use it as their primary key. */
export type EventKey = Brand<Buffer, 'EventKey'>
/** `source|interactionId`: what shares a partition, and so an order. */
export type EntityKey = Brand<string, 'EntityKey'>

export const EVENT_KEY_BYTES = 16

/** The digest as text and then as bytes: a buffer of Node's own making costs five times as much. */
export const eventKeyOf = (source: string, dedupKey: string): EventKey =>
  Buffer.from(
    hash('sha256', `${source}\0${dedupKey}`, 'binary').slice(0, EVENT_KEY_BYTES),
    'latin1',
  ) as EventKey

/**
 * The identity of what a source signed, 16 bytes: another event with the same one was sent again under another id by
 * somebody who need not know the secret.
 */
export const contentKeyOf = (source: string, content: Buffer): Buffer =>
  createHash('sha256').update(`content\0${source}\0`).update(content).digest().subarray(0, EVENT_KEY_BYTES)

/** Takes 16 bytes as an event key; throws a `RangeError` on any other length. */
export const asEventKey = (bytes: Buffer): EventKey => {
  if (bytes.length !== EVENT_KEY_BYTES) {
    throw new RangeError(`an event key has ${EVENT_KEY_BYTES} bytes, not ${bytes.length}`)
  }
  return bytes as EventKey
}

export const entityKeyOf = (source: string, interactionId: string): EntityKey =>
  `${source}|${interactionId}` as EntityKey

const SPECIAL = /[\\:]/

/** Joins the parts of a dedup key with `:`; a `:` or `\` inside a part is escaped, so different parts never give the same key. */
export const joinDedupKey = (parts: readonly string[]): string =>
  parts.map((part) => (SPECIAL.test(part) ? part.replace(/[\\:]/g, '\\$&') : part)).join(':')
