import bloomFilters from 'bloom-filters'
import type { KeyProbe } from './key-hashing.ts'

const TWO_TO_32 = 4_294_967_296
/**
 * The fewest keys that a filter is sized for. In a filter of few bits the two scaled hashes of many keys are alike, so
 * a smaller filter errs far more often than the formula says: for 64 keys, eight times as often.
 */
const KEYS_MIN = 4_096

/**
 * Computes the bit indexes of a key instead of the library's own hashing: enhanced double hashing (Dillinger &
 * Manolios, "Bloom Filters in Probabilistic Verification", 2004) over the whole range of 32 bits, scaled to the
 * filter's size. All steps are exact in 53 bits, so a key always has the same indexes.
 *
 * One object serves all filters and keeps the indexes of its last key, because a lookup asks many filters of one size
 * for the same key.
 */
class KeyIndexes {
  #first = 0
  #second = 0
  #size = 0
  #count = 0
  #indexes: number[] = []

  /** Called by `add` and `has` of the library. The returned array is valid until the next call. */
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

/** The filter of `bloom-filters`, which passes its elements to its hashing without looking at them. */
type FilterOfProbes = Omit<bloomFilters.BloomFilter, 'add' | 'has' | '_hashing'> & {
  _hashing: KeyIndexes
  add(probe: KeyProbe): void
  has(probe: KeyProbe): boolean
}

/** A Bloom filter of event keys: false means that a key was never added, true means that it must be looked up. */
export class KeyFilter {
  readonly #filter: FilterOfProbes

  private constructor(filter: bloomFilters.BloomFilter) {
    this.#filter = filter as unknown as FilterOfProbes
    this.#filter._hashing = KEY_INDEXES
  }

  static create(capacity: number, errorRate: number): KeyFilter {
    return new KeyFilter(bloomFilters.BloomFilter.create(Math.max(KEYS_MIN, capacity), errorRate))
  }

  /**
   * Makes a filter from what `bytes` returned for a filter of this size. Takes ownership of `bytes`, without a copy.
   */
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

  /** The raw bits. The library's own export is a base64 string that grows character by character. */
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

/** Size of a filter, bytes: the optimal m = -n ln p / (ln 2)^2 bits. */
export const filterBytes = (capacity: number, errorRate: number): number =>
  Math.ceil((-Math.max(KEYS_MIN, capacity) * Math.log(errorRate)) / Math.LN2 ** 2 / 8)
