import { createHmac, type KeyObject } from 'node:crypto'

export const BODY_HASH_BYTES = 8

/**
 * The hash that tells a repeat from a conflict: the first 8 bytes of HMAC-SHA256 over the body.
 * Keyed, because 8 bytes of a plain hash could be collided by a sender on purpose.
 * `body` is the raw body, or its canonical form without the source's volatile fields.
 * A key object spares the making of one for each body.
 */
export const bodyHashOf = (key: Buffer | KeyObject, body: Buffer): Buffer =>
  Buffer.from(createHmac('sha256', key).update(body).digest('binary').slice(0, BODY_HASH_BYTES), 'latin1')
