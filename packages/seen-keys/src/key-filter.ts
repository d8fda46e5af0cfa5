import bloomFilters from 'bloom-filters'
import type { KeyProbe } from './key-hashing.ts'

const TWO_TO_32 = 4_294_967_296
/**
 * Two hashes scaled to few bits are alike for too many keys: sized for fewer than this, a filter errs far more often
 * than the formula says, for 64 keys eight times as often.
 */
const KEYS_MIN = 4_096

/**
 * A Bloom filter of event keys: false means never added, true means look it up.
 *
 * Sizes and bits are those of `bloom-filters`. The walk over them is ours: the library computes every index of a key
 * before it looks at the first bit, in JavaScript's modulo of doubles, and is some twenty times slower. Indexes are
 * enhanced double hashing (Dillinger & Manolios, "Bloom Filters in Probabilistic Verification", 2004) over the whole
 * range of 32 bits, scaled to the size. All of it is exact in 53 bits, so a key always gives the same indexes.
 */
export class KeyFilter {
  readonly #filter: bloomFilters.BloomFilter
  readonly #bits: Uint8Array
  readonly #scale: number
  readonly #count: number

  private constructor(filter: bloomFilters.BloomFilter) {
    this.#filter = filter
    this.#bits = filter._filter.array
    this.#scale = filter.size / TWO_TO_32
    this.#count = filter._nbHashes
  }

  static create(capacity: number, errorRate: number): KeyFilter {
    return new KeyFilter(bloomFilters.BloomFilter.create(Math.max(KEYS_MIN, capacity), errorRate))
  }

  /** Of what `bytes` gave for a filter of this size; `bytes` is taken over, not copied. */
  static load(size: number, hashes: number, bytes: Buffer): KeyFilter {
    const filter = new bloomFilters.BloomFilter(1, hashes)
    filter._size = size
    const bits = filter._filter
    Object.defineProperty(bits, 'size', { value: bytes.length * 8 })
    bits.array = bytes
    return new KeyFilter(filter)
  }

  get size(): number {
    return this.#filter.size
  }

  get hashes(): number {
    return this.#count
  }

  get bytes(): Uint8Array {
    return this.#bits
  }

  add({ first, second }: KeyProbe): void {
    const bits = this.#bits
    let at = first
    let step = second
    for (let i = 0; i < this.#count; i++) {
      const index = ((at >>> 0) * this.#scale) >>> 0
      bits[index >>> 3]! |= 1 << (index & 7)
      at = (at + step) | 0
      step = (step + i) | 0
    }
  }

  mayHave({ first, second }: KeyProbe): boolean {
    const bits = this.#bits
    let at = first
    let step = second
    for (let i = 0; i < this.#count; i++) {
      const index = ((at >>> 0) * this.#scale) >>> 0
      if ((bits[index >>> 3]! & (1 << (index & 7))) === 0) return false
      at = (at + step) | 0
      step = (step + i) | 0
    }
    return true
  }
}

/** Bytes of a filter: the optimal m = -n ln p / (ln 2)^2 bits. */
export const filterBytes = (capacity: number, errorRate: number): number =>
  Math.ceil((-Math.max(KEYS_MIN, capacity) * Math.log(errorRate)) / Math.LN2 ** 2 / 8)
