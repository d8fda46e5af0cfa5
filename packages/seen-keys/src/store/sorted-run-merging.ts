import { rmSync } from 'node:fs'
import { bucketName } from './bucket.ts'
import type { BucketKeys } from './bucket-keys.ts'
import type { BucketSet } from './bucket-set.ts'
import type { KeyHashing } from '../sorted-runs/key-hashing.ts'
import { mergeSortedRuns } from '../sorted-runs/merge-sorted-runs.ts'
import type { SortedRun } from '../sorted-runs/sorted-run.ts'
import { SortedRunWriter } from '../sorted-runs/sorted-run-writer.ts'
import type { StoreMemory } from '../sorted-runs/store-memory.ts'

/**
 * With more sorted runs in all than this, adding keys waits for the merging, because the errors of all filters add up.
 */
export const RUNS_MAX = 64

export interface SortedRunMergingOptions {
  readonly buckets: BucketSet
  readonly hashing: KeyHashing
  /** Error rate of one filter. */
  readonly filterErrorRate: number
  readonly freshKeysMax: number
  readonly memory: StoreMemory
  /** A path that no file has yet. */
  readonly newRunFile: () => string
  /** Called to make the manifest name the one sorted run in place of the others. */
  readonly onMerged: (merged: SortedRun, gone: readonly SortedRun[]) => void
  readonly onFailed: (error: unknown) => void
}

/** Merges the sorted runs of a store in the background, until a closed bucket has one. */
export class SortedRunMerging {
  readonly #options: SortedRunMergingOptions
  readonly #stopping = new AbortController()
  #running: Promise<void> | undefined
  #inMerge: readonly SortedRun[] = []

  constructor(options: SortedRunMergingOptions) {
    this.#options = options
  }

  /** Starts merging if there is something to merge and no merge runs. */
  start(): void {
    const { memory, onFailed } = this.#options
    const all = async (): Promise<void> => {
      while (!this.#stopping.signal.aborted) if (!(await memory.inTurn(() => this.#mergeOne()))) return
    }
    this.#running ??= all()
      .catch(onFailed)
      .finally(() => {
        this.#running = undefined
      })
  }

  /** Resolves when merging is not too far behind. */
  async catchUp(): Promise<void> {
    while (this.#running !== undefined && this.#options.buckets.runs.length > RUNS_MAX) await this.#running
  }

  /** Releases a sorted run's memory. Its file goes with the next manifest. */
  discard(run: SortedRun): void {
    run.dropFilter()
    // A merge that still reads it closes it afterwards.
    if (!this.#inMerge.includes(run)) run.close()
  }

  /** Aborts the present merge and starts no other. */
  abandon(): void {
    this.#stopping.abort()
  }

  async close(): Promise<void> {
    this.abandon()
    await this.#running
  }

  /** Returns false when there was nothing to merge. */
  async #mergeOne(): Promise<boolean> {
    const { buckets, hashing, filterErrorRate, freshKeysMax, newRunFile } = this.#options
    for (const [age, held] of buckets.latestFirst.entries()) {
      const runs = held.runsToMerge(age > 0, freshKeysMax)
      if (runs === undefined) continue
      const keys = runs.reduce((sum, run) => sum + run.keys, 0)
      const file = newRunFile()
      const writer = new SortedRunWriter(file, hashing, keys, filterErrorRate)
      this.#inMerge = runs
      try {
        await mergeSortedRuns(runs, writer, this.#stopping.signal)
        this.#replace(held, runs, writer)
      } catch (error) {
        if (!this.#stopping.signal.aborted) throw error
      } finally {
        writer.close()
        this.#inMerge = []
        for (const run of runs) if (!buckets.runs.includes(run)) run.close()
        if (!buckets.runs.some((run) => run.file === file)) rmSync(file, { force: true })
      }
      return true
    }
    return false
  }

  #replace(held: BucketKeys, old: readonly SortedRun[], writer: SortedRunWriter): void {
    const { buckets, memory, onMerged } = this.#options
    // The bucket has expired in the meantime.
    if (buckets.get(bucketName(held.bucket)) !== held) return
    for (const run of old) run.dropFilter()
    const merged = writer.finish(memory)
    held.replaceRuns(old, merged)
    buckets.arrange()
    onMerged(merged, old)
  }
}
