import type { Bucket } from './bucket.ts'
import type { EntryRange } from './chunk-book.ts'
import { KeyProbe, type KeyHashing } from '../sorted-runs/key-hashing.ts'
import { BODY_HASH_OFFSET, ENTRY_BYTES, KeyTable } from '../sorted-runs/key-table.ts'

/** An unknown time, which is before every other. */
const LONG_AGO = 0

/**
 * Keys of one bucket that are in no sorted run yet: exact, in memory, with the time at which each transaction added
 * its own.
 */
export class FreshKeys {
  readonly bucket: Bucket
  readonly #table: KeyTable
  readonly #probe: KeyProbe
  /** First entry and time of each transaction, in order. */
  readonly #firsts: number[] = []
  readonly #times: number[] = []

  constructor(bucket: Bucket, hashing: KeyHashing) {
    this.bucket = bucket
    this.#table = new KeyTable(hashing)
    this.#probe = new KeyProbe(hashing)
  }

  get count(): number {
    return this.#table.count
  }

  get words(): Int32Array {
    return this.#table.words
  }

  has(probe: KeyProbe): boolean {
    return this.#table.find(probe) >= 0
  }

  find(probe: KeyProbe): { readonly bodyHash: Buffer; readonly at: number } | undefined {
    const entry = this.#table.find(probe)
    return entry < 0 ? undefined : { bodyHash: this.#table.bodyHash(entry), at: this.#timeOf(entry) }
  }

  /** Adds the entries that are absent. Returns where they are. */
  add(entries: Buffer, at: number = LONG_AGO): EntryRange {
    const from = this.#table.count
    for (let entry = 0; entry < entries.length; entry += ENTRY_BYTES) {
      this.#table.add(this.#probe.set(entries, entry), entries, entry + BODY_HASH_OFFSET)
    }
    if (this.#times.at(-1) !== at && this.#table.count > from) {
      this.#firsts.push(from)
      this.#times.push(at)
    }
    return { from, to: this.#table.count }
  }

  /** A copy of the entries, as in a chunk. */
  copy(ranges: readonly EntryRange[]): Buffer {
    return Buffer.concat(ranges.map(({ from, to }) => this.#table.bytes(from, to)))
  }

  #timeOf(entry: number): number {
    let low = 0
    let high = this.#firsts.length
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      if (this.#firsts[middle]! <= entry) low = middle
      else high = middle
    }
    return this.#times[low]!
  }
}
