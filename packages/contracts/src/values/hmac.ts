import { createHash, hash } from 'node:crypto'

/** `sha1` is for providers that offer nothing else. */
export type HmacAlgorithm = 'sha256' | 'sha512' | 'sha1'

/** Block and digest sizes, bytes. */
const BYTES = {
  sha256: { block: 64, digest: 32 },
  sha512: { block: 128, digest: 64 },
  sha1: { block: 64, digest: 20 },
} as const
const INNER_PAD = 0x36
const OUTER_PAD = 0x5c
/** Longer inputs get their own buffer. */
const SHARED_BYTES = 16_384
const shared = Buffer.allocUnsafeSlow(SHARED_BYTES)

const NOTHING = Buffer.alloc(0)

/**
 * HMAC with one key (RFC 2104), computed as two one-shot hashes. For bodies of the usual size Node's `Hmac` takes twice
 * as long, because it creates an object for each body.
 */
export class HmacKey {
  readonly #algorithm: HmacAlgorithm
  readonly #inner: Buffer
  /** The outer pad, followed by space for the inner digest. */
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

  /**
   * The HMAC of `before`, `body` and `after` in sequence, as a latin1 text: one character per byte, cheaper than a
   * buffer.
   */
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
