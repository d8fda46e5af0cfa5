import type { Bucket } from './bucket.ts'
import { ChunkBook } from './chunk-book.ts'
import { FreshKeys } from './fresh-keys.ts'
import type { KeyHashing, KeyProbe } from '../sorted-runs/key-hashing.ts'
import type { SortedRun } from '../sorted-runs/sorted-run.ts'

/** Number of sorted runs of similar size that are merged into one. */
const MERGE_RUNS = 4

/** The keys that a store has of one bucket. */
export class BucketKeys {
  readonly bucket: Bucket
  readonly book = new ChunkBook()
  readonly #hashing: KeyHashing
  #fresh: FreshKeys
  /** Ordered by age. */
  #runs: readonly SortedRun[] = []

  constructor(bucket: Bucket, hashing: KeyHashing) {
    this.bucket = bucket
    this.#hashing = hashing
    this.#fresh = new FreshKeys(bucket, hashing)
  }

  get fresh(): FreshKeys {
    return this.#fresh
  }

  get runs(): readonly SortedRun[] {
    return this.#runs
  }

  get keyCount(): number {
    return this.#runs.reduce((sum, { keys }) => sum + keys, this.#fresh.count)
  }

  has(probe: KeyProbe): boolean {
    return (
      this.#fresh.has(probe) || this.#runs.some((run) => run.mayHave(probe) && run.find(probe) !== undefined)
    )
  }

  addRun(run: SortedRun): void {
    this.#runs = [...this.#runs, run]
  }

  /** Call when the fresh keys have been written to a sorted run. */
  startAfresh(): void {
    this.#fresh = new FreshKeys(this.bucket, this.#hashing)
    this.book.forgetRanges()
  }

  /** Returns false, and changes nothing, when one of the old sorted runs is no longer here. */
  replaceRuns(old: readonly SortedRun[], merged: SortedRun): boolean {
    if (!old.every((run) => this.#runs.includes(run))) return false
    this.#runs = [...this.#runs.filter((run) => !old.includes(run)), merged]
    return true
  }

  /**
   * Sorted runs that should become one: all of a closed bucket, else several of one size, so that a key is rewritten
   * only a few times.
   */
  runsToMerge(isClosed: boolean, freshKeysMax: number): readonly SortedRun[] | undefined {
    if (isClosed) return this.#runs.length > 1 ? this.#runs : undefined
    const tierOf = ({ keys }: SortedRun) =>
      Math.max(0, Math.round(Math.log(keys / freshKeysMax) / Math.log(MERGE_RUNS)))
    for (const tier of Map.groupBy(this.#runs, tierOf).values()) {
      if (tier.length >= MERGE_RUNS) return tier
    }
    return undefined
  }
}
