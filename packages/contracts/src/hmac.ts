import { createHash, hash } from 'node:crypto'

/** `sha1` is for providers that have nothing else. */
export type HmacAlgorithm = 'sha256' | 'sha512' | 'sha1'

/** Of the hash's blocks and of its digests. */
const BYTES = {
  sha256: { block: 64, digest: 32 },
  sha512: { block: 128, digest: 64 },
  sha1: { block: 64, digest: 20 },
} as const
const INNER_PAD = 0x36
const OUTER_PAD = 0x5c
/** What is longer gets a buffer of its own. */
const SHARED_BYTES = 16_384
const shared = Buffer.allocUnsafeSlow(SHARED_BYTES)

const NOTHING = Buffer.alloc(0)

/**
 * HMAC under one key (RFC 2104) as two whole hashes: for bodies of webhooks' sizes Node's `Hmac` takes twice as long, as it
 * makes an object of its own for each of them.
 */
export class HmacKey {
  readonly #algorithm: HmacAlgorithm
  readonly #inner: Buffer
  /** The outer pad, and behind it room for the inner digest. */
  readonly #outer: Buffer

  constructor(algorithm: HmacAlgorithm, key: Buffer) {
    const { block, digest } = BYTES[algorithm]
    const short = key.length > block ? createHash(algorithm).update(key).digest() : key
    this.#algorithm = algorithm
    this.#inner = Buffer.alloc(block, INNER_PAD)
    this.#outer = Buffer.alloc(block + digest, OUTER_PAD)
    for (const [i, byte] of short.entries()) {
      this.#inner[i]! ^= byte
      this.#outer[i]! ^= byte
    }
  }

  /** Of the three one after the other; a character of the result is a byte: a buffer of Node's own making costs more. */
  digest(body: Buffer, before: Buffer = NOTHING, after: Buffer = NOTHING): string {
    const inner = this.#inner
    const bodyAt = inner.length + before.length
    const afterAt = bodyAt + body.length
    const length = afterAt + after.length
    const whole = length <= SHARED_BYTES ? shared.subarray(0, length) : Buffer.allocUnsafe(length)
    whole.set(inner)
    whole.set(before, inner.length)
    whole.set(body, bodyAt)
    whole.set(after, afterAt)
    const outer = this.#outer
    outer.write(hash(this.#algorithm, whole, 'binary'), inner.length, 'latin1')
    return hash(this.#algorithm, outer, 'binary')
  }
}
