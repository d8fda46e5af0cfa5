import type { Bucket } from './bucket.ts'
import { ChunkBook } from './chunk-book.ts'
import { FreshKeys } from './fresh-keys.ts'
import type { KeyHashing, KeyProbe } from '../runs/key-hashing.ts'
import type { Run } from '../runs/run.ts'

/** Runs of about one size are merged when there are so many. */
const MERGE_RUNS = 4

/** All that a store has of one bucket. */
export class BucketKeys {
  readonly bucket: Bucket
  readonly book = new ChunkBook()
  readonly #hashing: KeyHashing
  #fresh: FreshKeys
  /** In the order of their age. */
  #runs: readonly Run[] = []

  constructor(bucket: Bucket, hashing: KeyHashing) {
    this.bucket = bucket
    this.#hashing = hashing
    this.#fresh = new FreshKeys(bucket, hashing)
  }

  get fresh(): FreshKeys {
    return this.#fresh
  }

  get runs(): readonly Run[] {
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

  addRun(run: Run): void {
    this.#runs = [...this.#runs, run]
  }

  /** The fresh keys are in a run now. */
  startAfresh(): void {
    this.#fresh = new FreshKeys(this.bucket, this.#hashing)
    this.book.forgetRanges()
  }

  /** False, and nothing is changed, when one of the old runs is not here any more. */
  replaceRuns(old: readonly Run[], merged: Run): boolean {
    if (!old.every((run) => this.#runs.includes(run))) return false
    this.#runs = [...this.#runs.filter((run) => !old.includes(run)), merged]
    return true
  }

  /**
   * Runs that ought to be one: all of a bucket that gets no more keys, else several of one size, so that a key is
   * written again only a few times.
   */
  runsToMerge(isClosed: boolean, freshKeysMax: number): readonly Run[] | undefined {
    if (isClosed) return this.#runs.length > 1 ? this.#runs : undefined
    const tierOf = ({ keys }: Run) =>
      Math.max(0, Math.round(Math.log(keys / freshKeysMax) / Math.log(MERGE_RUNS)))
    for (const tier of Map.groupBy(this.#runs, tierOf).values()) {
      if (tier.length >= MERGE_RUNS) return tier
    }
    return undefined
  }
}
