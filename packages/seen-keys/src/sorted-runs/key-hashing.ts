import { EVENT_KEY_BYTES } from '@weir/contracts'

export const SALT_BYTES = 32

/**
 * Two 32-bit hashes of an event key, for tables and filters. An event key is a hash already, so one multiplication per
 * word is enough (Dietzfelbinger et al., multiply-shift). The multipliers are secret, so outsiders cannot choose keys
 * that collide.
 */
export class KeyHashing {
  readonly salt: Buffer
  readonly #multipliers: Int32Array

  constructor(salt: Buffer) {
    if (salt.length !== SALT_BYTES) throw new RangeError(`a salt has ${SALT_BYTES} bytes, not ${salt.length}`)
    this.salt = salt
    this.#multipliers = Int32Array.from({ length: 8 }, (_, i) => salt.readInt32LE(i * 4) | 1)
  }

  first(w0: number, w1: number, w2: number, w3: number): number {
    const m = this.#multipliers
    return (Math.imul(w0, m[0]!) + Math.imul(w1, m[1]!) + Math.imul(w2, m[2]!) + Math.imul(w3, m[3]!)) | 0
  }

  second(w0: number, w1: number, w2: number, w3: number): number {
    const m = this.#multipliers
    return (Math.imul(w0, m[4]!) + Math.imul(w1, m[5]!) + Math.imul(w2, m[6]!) + Math.imul(w3, m[7]!)) | 0
  }
}

/**
 * One event key, split into words once for all the places where it is looked up. The object is reused for the next
 * key.
 */
export class KeyProbe {
  readonly #hashing: KeyHashing
  /** The key as four signed little-endian words. */
  w0 = 0
  w1 = 0
  w2 = 0
  w3 = 0
  first = 0
  second = 0

  constructor(hashing: KeyHashing) {
    this.#hashing = hashing
  }

  /** Reads the 16 bytes at `at`. */
  set(bytes: Buffer, at = 0): this {
    if (bytes.length < at + EVENT_KEY_BYTES) throw new RangeError('not an event key')
    const w0 = bytes.readInt32LE(at)
    const w1 = bytes.readInt32LE(at + 4)
    const w2 = bytes.readInt32LE(at + 8)
    const w3 = bytes.readInt32LE(at + 12)
    return this.#fill(w0, w1, w2, w3)
  }

  /** Reads an entry of a table or a sorted run. */
  setWords(words: Int32Array, at: number): this {
    return this.#fill(words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!)
  }

  #fill(w0: number, w1: number, w2: number, w3: number): this {
    this.w0 = w0
    this.w1 = w1
    this.w2 = w2
    this.w3 = w3
    this.first = this.#hashing.first(w0, w1, w2, w3)
    this.second = this.#hashing.second(w0, w1, w2, w3)
    return this
  }
}
