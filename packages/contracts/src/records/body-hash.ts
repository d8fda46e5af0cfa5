import { HmacKey } from '../values/hmac.ts'

export const BODY_HASH_BYTES = 8

/**
 * The hash that tells a repeat from a conflict: the first 8 bytes of HMAC-SHA256 over the body.
 * It is keyed, because a sender could find a collision of 8 bytes of a plain hash on purpose.
 * `body` is the raw body, or its canonical form without the source's volatile fields.
 * Pass an `HmacKey` to prepare the key once for many bodies.
 */
export const bodyHashOf = (key: Buffer | HmacKey, body: Buffer): Buffer => {
  const mac = key instanceof HmacKey ? key : new HmacKey('sha256', key)
  return Buffer.from(mac.digest(body).slice(0, BODY_HASH_BYTES), 'latin1')
}
