import { BODY_HASH_BYTES, EVENT_KEY_BYTES } from '@weir/contracts'
import { KeyProbe, type KeyHashing } from './key-hashing.ts'

/** 16 bytes of event key and 8 bytes of body hash, as in chunks. */
export const ENTRY_BYTES = EVENT_KEY_BYTES + BODY_HASH_BYTES
export const ENTRY_WORDS = ENTRY_BYTES / 4
/** Position of the body hash in an entry. */
export const BODY_HASH_OFFSET = EVENT_KEY_BYTES
const FIRST_ENTRIES = 1_024

/**
 * Keys with their body hashes in memory, exact: entries in the order of arrival, and an open-addressing table over
 * them. Takes 24 bytes per key and 8 to 16 for the table, and gives the garbage collector nothing to visit.
 */
export class KeyTable {
  readonly #probe: KeyProbe
  #words = new Int32Array(FIRST_ENTRIES * ENTRY_WORDS)
  /** Entry number + 1; 0 means free. Has twice as many slots as there is room for entries. */
  #slots = new Int32Array(FIRST_ENTRIES * 2)
  #shift = 32 - Math.log2(FIRST_ENTRIES * 2)
  #count = 0

  constructor(hashing: KeyHashing) {
    this.#probe = new KeyProbe(hashing)
  }

  get count(): number {
    return this.#count
  }

  /** Six words per entry; valid until the next change. */
  get words(): Int32Array {
    return this.#words
  }

  /** The entry number of a key; -1 when it is absent. */
  find(probe: KeyProbe): number {
    return this.#slots[this.#slotOf(probe)]! - 1
  }

  /** Adds a key with the hash at `hashAt`. Returns false, and changes nothing, when the key is present. */
  add(probe: KeyProbe, hash: Buffer, hashAt = 0): boolean {
    if (this.#count * 2 === this.#slots.length) this.#grow()
    const slot = this.#slotOf(probe)
    if (this.#slots[slot] !== 0) return false
    const words = this.#words
    const at = this.#count * ENTRY_WORDS
    words[at] = probe.w0
    words[at + 1] = probe.w1
    words[at + 2] = probe.w2
    words[at + 3] = probe.w3
    words[at + 4] = hash.readInt32LE(hashAt)
    words[at + 5] = hash.readInt32LE(hashAt + 4)
    this.#count += 1
    this.#slots[slot] = this.#count
    return true
  }

  /** A copy of an entry's body hash. */
  bodyHash(entry: number): Buffer {
    return Buffer.from(this.bytes(entry, entry + 1).subarray(BODY_HASH_OFFSET))
  }

  /** Entries `[from, to)` as in a chunk: a view that is valid until the next change. */
  bytes(from: number, to: number): Buffer {
    return Buffer.from(this.#words.buffer, from * ENTRY_BYTES, (to - from) * ENTRY_BYTES)
  }

  clear(): void {
    this.#slots.fill(0)
    this.#count = 0
  }

  /** The slot of the key, or the free slot where it belongs. */
  #slotOf({ first, w0, w1, w2, w3 }: KeyProbe): number {
    const slots = this.#slots
    const words = this.#words
    const mask = slots.length - 1
    for (let slot = first >>> this.#shift; ; slot = (slot + 1) & mask) {
      const entry = slots[slot]!
      if (entry === 0) return slot
      const at = (entry - 1) * ENTRY_WORDS
      if (words[at] === w0 && words[at + 1] === w1 && words[at + 2] === w2 && words[at + 3] === w3)
        return slot
    }
  }

  #grow(): void {
    const words = new Int32Array(this.#words.length * 2)
    words.set(this.#words)
    this.#words = words
    this.#slots = new Int32Array(this.#slots.length * 2)
    this.#shift -= 1
    for (let entry = 0; entry < this.#count; entry++) {
      this.#slots[this.#slotOf(this.#probe.setWords(words, entry * ENTRY_WORDS))] = entry + 1
    }
  }
}
