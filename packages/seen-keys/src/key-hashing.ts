import { randomBytes } from 'node:crypto'
import bloomFilters from 'bloom-filters'

const TWO_TO_32 = 4_294_967_296

/**
 * Indexes of an event key, whose 128 bits are a hash already: double hashing over its two halves
 * (Kirsch & Mitzenmacher, "Less Hashing, Same Performance", 2006). The library's own hashing runs xxhash in
 * JavaScript for each index and is some thirty times slower.
 *
 * All arithmetic is on unsigned numbers below 2^53: signed 32-bit overflow would give false negatives.
 * The salt is of this process, so nobody outside can choose keys that collide in its filters.
 */
export class KeyHashing {
  readonly #salt = randomBytes(8).readUInt32LE(0)

  readonly getIndexes = (key: Buffer, size: number, count: number): number[] => {
    const first = ((key.readUInt32LE(0) ^ this.#salt) >>> 0) + key.readUInt16LE(4) * TWO_TO_32
    const second = ((key.readUInt32LE(8) ^ this.#salt) >>> 0) + key.readUInt16LE(12) * TWO_TO_32
    const step = (second % (size - 1)) + 1
    const indexes = new Array<number>(count)
    let index = first % size
    for (let i = 0; i < count; i++) {
      indexes[i] = index
      index = (index + step) % size
    }
    return indexes
  }
}

/** What this package uses of the library's filter. */
export interface KeyFilter {
  add(key: Buffer): void
  has(key: Buffer): boolean
}

export const createKeyFilter = (capacity: number, errorRate: number, hashing: KeyHashing): KeyFilter => {
  const filter = bloomFilters.BloomFilter.create(capacity, errorRate)
  // The library's type wants a subclass with all of its methods; a Bloom filter calls this one alone.
  filter._hashing = hashing as unknown as typeof filter._hashing
  return filter
}

/** Bytes of a filter: the optimal m = -n ln p / (ln 2)^2 bits. */
export const filterBytes = (capacity: number, errorRate: number): number =>
  Math.ceil((-capacity * Math.log(errorRate)) / Math.LN2 ** 2 / 8)
