import { bucketName, type Bucket } from './bucket.ts'
import { BucketKeys } from './bucket-keys.ts'
import type { KeyHashing, KeyProbe } from '../sorted-runs/key-hashing.ts'
import type { SortedRun } from '../sorted-runs/sorted-run.ts'

export interface FoundKey {
  readonly bodyHash: Buffer
  /** Effective time at which the key was added; 0: longer ago than is remembered. */
  readonly at: number
}

/** Counts since the store was opened. */
export interface LookupCounts {
  /** Keys that were looked up and are absent. */
  readonly absent: number
  /** Absent keys for which a filter returned true. */
  readonly falsePositives: number
}

/** The buckets of a store, latest first, because repeats are most likely there. */
export class BucketSet {
  readonly #hashing: KeyHashing
  readonly #byName = new Map<string, BucketKeys>()
  #latestFirst: readonly BucketKeys[] = []
  #runs: readonly SortedRun[] = []
  #absent = 0
  #falsePositives = 0

  constructor(hashing: KeyHashing) {
    this.#hashing = hashing
  }

  get latestFirst(): readonly BucketKeys[] {
    return this.#latestFirst
  }

  get runs(): readonly SortedRun[] {
    return this.#runs
  }

  get keyCount(): number {
    return this.#latestFirst.reduce((sum, { keyCount }) => sum + keyCount, 0)
  }

  /** Keys that are in no sorted run yet. */
  get freshCount(): number {
    return this.#latestFirst.reduce((sum, { fresh }) => sum + fresh.count, 0)
  }

  get filterByteCount(): number {
    return this.#runs.reduce((sum, { filterByteCount }) => sum + filterByteCount, 0)
  }

  /** Keys whose sorted runs have no filter, because memory is short. */
  get unfilteredKeyCount(): number {
    return this.#runs.reduce((sum, { filterByteCount, keys }) => sum + (filterByteCount === 0 ? keys : 0), 0)
  }

  get counts(): LookupCounts {
    return { absent: this.#absent, falsePositives: this.#falsePositives }
  }

  get(name: string): BucketKeys | undefined {
    return this.#byName.get(name)
  }

  getOrAdd(bucket: Bucket): BucketKeys {
    const name = bucketName(bucket)
    const existing = this.#byName.get(name)
    if (existing !== undefined) return existing
    const added = new BucketKeys(bucket, this.#hashing)
    this.#byName.set(name, added)
    this.arrange()
    return added
  }

  remove(bucket: Bucket): BucketKeys | undefined {
    const name = bucketName(bucket)
    const removed = this.#byName.get(name)
    this.#byName.delete(name)
    this.arrange()
    return removed
  }

  /** Call when the sorted runs of a bucket have changed. */
  arrange(): void {
    this.#latestFirst = [...this.#byName.values()].sort((a, b) => b.bucket.start - a.bucket.start)
    this.#runs = this.#latestFirst.flatMap(({ runs }) => runs.toReversed())
  }

  /** Asks every bucket. Throws a `StoreDamagedError`. */
  find(probe: KeyProbe): FoundKey | undefined {
    for (const held of this.#latestFirst) {
      const found = held.fresh.find(probe)
      if (found !== undefined) return found
    }
    let seemed = false
    for (const run of this.#runs) {
      if (!run.mayHave(probe)) continue
      const bodyHash = run.find(probe)
      if (bodyHash !== undefined) return { bodyHash, at: 0 }
      seemed ||= run.filterByteCount > 0
    }
    this.#absent += 1
    if (seemed) this.#falsePositives += 1
    return undefined
  }
}
