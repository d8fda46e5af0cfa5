import bloomFilters from 'bloom-filters'
import type { KeyProbe } from './key-hashing.ts'

const TWO_TO_32 = 4_294_967_296
/**
 * Two hashes scaled to few bits are alike for too many keys: sized for fewer than this, a filter errs far more often
 * than the formula says, for 64 keys eight times as often.
 */
const KEYS_MIN = 4_096

/**
 * Computes the bit indexes of a key in place of the library's own hashing: enhanced double hashing (Dillinger & Manolios,
 * "Bloom Filters in Probabilistic Verification", 2004) over the whole range of 32 bits, scaled to the filter's size. All
 * of it is exact in 53 bits, so a key always gives the same indexes.
 *
 * One object serves all filters, and keeps the indexes of its last key: a lookup asks many filters of one size for the
 * same key.
 */
class KeyIndexes {
  #first = 0
  #second = 0
  #size = 0
  #count = 0
  #indexes: number[] = []

  /** What `add` and `has` of the library call. The array is valid until the next call. */
  getIndexes({ first, second }: KeyProbe, size: number, count: number): readonly number[] {
    if (first === this.#first && second === this.#second && size === this.#size && count === this.#count) {
      return this.#indexes
    }
    if (count !== this.#count) this.#indexes = new Array<number>(count).fill(0)
    this.#first = first
    this.#second = second
    this.#size = size
    this.#count = count
    const scale = size / TWO_TO_32
    let at = first
    let step = second
    for (let i = 0; i < count; i++) {
      this.#indexes[i] = ((at >>> 0) * scale) >>> 0
      at = (at + step) | 0
      step = (step + i) | 0
    }
    return this.#indexes
  }
}

const KEY_INDEXES = new KeyIndexes()

/** The filter of `bloom-filters`, which passes what it is given on to its hashing and does not look at it. */
type FilterOfProbes = Omit<bloomFilters.BloomFilter, 'add' | 'has' | '_hashing'> & {
  _hashing: KeyIndexes
  add(probe: KeyProbe): void
  has(probe: KeyProbe): boolean
}

/** A Bloom filter of event keys: false means never added, true means look it up. */
export class KeyFilter {
  readonly #filter: FilterOfProbes

  private constructor(filter: bloomFilters.BloomFilter) {
    this.#filter = filter as unknown as FilterOfProbes
    this.#filter._hashing = KEY_INDEXES
  }

  static create(capacity: number, errorRate: number): KeyFilter {
    return new KeyFilter(bloomFilters.BloomFilter.create(Math.max(KEYS_MIN, capacity), errorRate))
  }

  /** From what `bytes` gave for a filter of this size; `bytes` is taken over, not copied. */
  static load(size: number, hashes: number, bytes: Buffer): KeyFilter {
    const filter = new bloomFilters.BloomFilter(size, hashes)
    filter._filter.array = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
    return new KeyFilter(filter)
  }

  get size(): number {
    return this.#filter.size
  }

  get hashes(): number {
    return this.#filter._nbHashes
  }

  /** The bits as they are: the library's own export is a base64 string that grows character by character. */
  get bytes(): Uint8Array {
    return this.#filter._filter.array
  }

  add(probe: KeyProbe): void {
    this.#filter.add(probe)
  }

  mayHave(probe: KeyProbe): boolean {
    return this.#filter.has(probe)
  }
}

/** Bytes of a filter: the optimal m = -n ln p / (ln 2)^2 bits. */
export const filterBytes = (capacity: number, errorRate: number): number =>
  Math.ceil((-Math.max(KEYS_MIN, capacity) * Math.log(errorRate)) / Math.LN2 ** 2 / 8)
