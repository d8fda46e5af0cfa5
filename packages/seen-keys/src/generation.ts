import type { Bucket } from './bucket.ts'
import { createKeyFilter, filterBytes, type KeyFilter, type KeyHashing } from './key-hashing.ts'

export interface FilterLimits {
  /** Keys of the largest filter. */
  readonly capacity: number
  /** Of one filter. */
  readonly errorRate: number
}

const FIRST_CAPACITY = 16_384

/** The filters of one bucket: when one is full another is opened, twice as large, so none ever saturates. */
export class Generation {
  readonly bucket: Bucket
  readonly #limits: FilterLimits
  readonly #hashing: KeyHashing
  readonly #filters: KeyFilter[] = []
  #room = 0
  #capacity = 0
  #bytes = 0
  #keys = 0

  constructor(bucket: Bucket, limits: FilterLimits, hashing: KeyHashing) {
    this.bucket = bucket
    this.#limits = limits
    this.#hashing = hashing
  }

  get keyCount(): number {
    return this.#keys
  }

  get byteCount(): number {
    return this.#bytes
  }

  add(key: Buffer): void {
    if (this.#room === 0) this.#grow()
    this.#filters.at(-1)!.add(key)
    this.#room -= 1
    this.#keys += 1
  }

  /** False: the key was never added. True: look it up. */
  mayHave(key: Buffer): boolean {
    return this.#filters.some((filter) => filter.has(key))
  }

  #grow(): void {
    const { capacity, errorRate } = this.#limits
    this.#capacity = Math.min(capacity, this.#capacity === 0 ? FIRST_CAPACITY : this.#capacity * 2)
    this.#room = this.#capacity
    this.#bytes += filterBytes(this.#capacity, errorRate)
    this.#filters.push(createKeyFilter(this.#capacity, errorRate, this.#hashing))
  }
}
