import { isExplained } from '../client/errors.ts'
import { PartitionRun, type Parked, type PartitionRunOptions } from './task-runner.ts'
import type { PartitionState } from './processor-options.ts'

export type PartitionRunsOptions = Omit<PartitionRunOptions, 'partition' | 'after' | 'onParked'>

/** The partitions that one process owns, as its group says. */
export class PartitionRuns {
  readonly #options: PartitionRunsOptions
  readonly #runs = new Map<number, PartitionRun>()

  constructor(options: PartitionRunsOptions) {
    this.#options = options
  }

  /** Releases partitions that are not among them. A new one starts once its previous run in this process has ended. */
  assign(assigned: ReadonlySet<number>): void {
    const runs = this.#runs
    for (const [partition, run] of runs) {
      if (!assigned.has(partition)) void run.release()
    }
    for (const partition of assigned) {
      const before = runs.get(partition)
      if (before !== undefined && !before.isOver) continue
      const run = new PartitionRun({
        ...this.#options,
        partition,
        after: before?.done ?? Promise.resolve(),
        onParked: () => this.#onParked(),
      })
      runs.set(partition, run)
      void run.done.then(() => {
        if (runs.get(partition) === run && run.state === 'released') runs.delete(partition)
      })
    }
  }

  get states(): ReadonlyMap<number, PartitionState> {
    return new Map([...this.#runs].map(([partition, run]) => [partition, run.state]))
  }

  get parked(): ReadonlyMap<number, Error> {
    const parked = this.#owned().flatMap(([partition, run]) =>
      run.parked === undefined ? [] : [[partition, run.parked.error] as const],
    )
    return new Map(parked)
  }

  /** Why the process is not ready. */
  get notReady(): readonly string[] {
    const all = this.#owned()
    const parked = all.filter(([, run]) => run.parked !== undefined)
    if (all.length > 0 && parked.length === all.length) {
      return parked.map(([partition]) => `partition ${partition} is parked`)
    }
    return [...this.#runs]
      .filter(([, { state, parked: why }]) => state !== 'running' && why === undefined)
      .map(([partition, { state }]) => `partition ${partition} is ${state}`)
  }

  /** Tries parked partitions again now: one, or all. Returns which. */
  resume(partition?: number): readonly number[] {
    const found = this.#owned().filter(([number, run]) => run.parked && number === (partition ?? number))
    for (const [, run] of found) run.resume()
    return found.map(([number]) => number)
  }

  /** Waits for running transactions. */
  async release(): Promise<void> {
    await Promise.all([...this.#runs.values()].map((run) => run.release()))
  }

  #owned(): [number, PartitionRun][] {
    return [...this.#runs].filter(([, run]) => !run.isOver)
  }

  #onParked(): void {
    const error = hopelessness(this.#owned().map(([, { parked }]) => parked))
    if (error !== undefined) this.#options.onFatal(error)
  }
}

/** Attempts for each partition, a minute apart, before the process should be restarted. */
const ATTEMPTS_MAX = 3

/** Why this process should be restarted: none of its partitions works, and no known cause lies outside the process. */
const hopelessness = (all: readonly (Parked | undefined)[]): Error | undefined => {
  const isHopeless = (one: Parked | undefined): boolean =>
    one !== undefined && one.attempts >= ATTEMPTS_MAX && !isExplained(one.error)
  if (!all.every(isHopeless)) return undefined
  return new Error('no partition of this process can work', { cause: all[0]?.error })
}
