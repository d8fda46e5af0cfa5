import { rmSync } from 'node:fs'
import { bucketName } from './bucket.ts'
import type { BucketKeys } from './bucket-keys.ts'
import type { BucketSet } from './bucket-set.ts'
import type { KeyHashing } from '../runs/key-hashing.ts'
import { mergeRuns } from '../runs/merge-runs.ts'
import type { Run } from '../runs/run.ts'
import { RunWriter } from '../runs/run-writer.ts'
import type { StoreMemory } from '../runs/store-memory.ts'

/** With more runs in all than this, whoever adds keys waits for the merging: each run's filter adds to the error of all. */
export const RUNS_MAX = 64

export interface RunMergingOptions {
  readonly buckets: BucketSet
  readonly hashing: KeyHashing
  /** Of one filter. */
  readonly filterErrorRate: number
  readonly freshKeysMax: number
  readonly memory: StoreMemory
  /** A path that nothing has yet. */
  readonly newRunFile: () => string
  /** The manifest has to say that the one run counts in place of the others. */
  readonly onMerged: (merged: Run, gone: readonly Run[]) => void
  readonly onFailed: (error: unknown) => void
}

/** Merges the runs of a store in the background, until a closed bucket has one. */
export class RunMerging {
  readonly #options: RunMergingOptions
  readonly #stopping = new AbortController()
  #running: Promise<void> | undefined
  #inMerge: readonly Run[] = []

  constructor(options: RunMergingOptions) {
    this.#options = options
  }

  /** Begins, if there is something to merge and it has not begun. */
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

  /** Resolves when it is not too far behind. */
  async catchUp(): Promise<void> {
    while (this.#running !== undefined && this.#options.buckets.runs.length > RUNS_MAX) await this.#running
  }

  /** Gives up a run's memory; its file goes with the next manifest. */
  discard(run: Run): void {
    run.dropFilter()
    // Whoever merges it still reads it, and closes it afterwards.
    if (!this.#inMerge.includes(run)) run.close()
  }

  /** Drops what it is at, and does not start again. */
  abandon(): void {
    this.#stopping.abort()
  }

  async close(): Promise<void> {
    this.abandon()
    await this.#running
  }

  /** False: there was nothing to merge. */
  async #mergeOne(): Promise<boolean> {
    const { buckets, hashing, filterErrorRate, freshKeysMax, newRunFile } = this.#options
    for (const [age, held] of buckets.latestFirst.entries()) {
      const runs = held.runsToMerge(age > 0, freshKeysMax)
      if (runs === undefined) continue
      const keys = runs.reduce((sum, run) => sum + run.keys, 0)
      const file = newRunFile()
      const writer = new RunWriter(file, hashing, keys, filterErrorRate)
      this.#inMerge = runs
      try {
        await mergeRuns(runs, writer, this.#stopping.signal)
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

  #replace(held: BucketKeys, old: readonly Run[], writer: RunWriter): void {
    const { buckets, memory, onMerged } = this.#options
    // Expired meanwhile.
    if (buckets.get(bucketName(held.bucket)) !== held) return
    for (const run of old) run.dropFilter()
    const merged = writer.finish(memory)
    held.replaceRuns(old, merged)
    buckets.arrange()
    onMerged(merged, old)
  }
}
