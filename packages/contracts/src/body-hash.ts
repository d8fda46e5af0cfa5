import { HmacKey } from './hmac.ts'

export const BODY_HASH_BYTES = 8

/**
 * The hash that tells a repeat from a conflict: the first 8 bytes of HMAC-SHA256 over the body.
 * Keyed, because 8 bytes of a plain hash could be collided by a sender on purpose.
 * `body` is the raw body, or its canonical form without the source's volatile fields.
 * A key made once spares the making of one for each body.
 */
export const bodyHashOf = (key: Buffer | HmacKey, body: Buffer): Buffer => {
  const mac = key instanceof HmacKey ? key : new HmacKey('sha256', key)
  return Buffer.from(mac.digest(body).slice(0, BODY_HASH_BYTES), 'latin1')
}
