import { isExplained } from '../client/errors.ts'
import { TaskRunner, type Parked, type TaskRunnerOptions } from './task-runner.ts'
import type { TaskState } from './processor-options.ts'

export type TaskRunnersOptions = Omit<TaskRunnerOptions, 'partition' | 'after' | 'onParked'>

/** The task runners of the partitions that the consumer group assigned to this process. */
export class TaskRunners {
  readonly #options: TaskRunnersOptions
  readonly #runners = new Map<number, TaskRunner>()

  constructor(options: TaskRunnersOptions) {
    this.#options = options
  }

  /** Releases all other partitions. A new runner starts after the previous runner of its partition has ended. */
  assign(assigned: ReadonlySet<number>): void {
    const runners = this.#runners
    for (const [partition, runner] of runners) {
      if (!assigned.has(partition)) void runner.release()
    }
    for (const partition of assigned) {
      const before = runners.get(partition)
      if (before !== undefined && !before.isOver) continue
      const runner = new TaskRunner({
        ...this.#options,
        partition,
        after: before?.done ?? Promise.resolve(),
        onParked: () => this.#onParked(),
      })
      runners.set(partition, runner)
      void runner.done.then(() => {
        if (runners.get(partition) === runner && runner.state === 'released') runners.delete(partition)
      })
    }
  }

  get states(): ReadonlyMap<number, TaskState> {
    return new Map([...this.#runners].map(([partition, runner]) => [partition, runner.state]))
  }

  get parked(): ReadonlyMap<number, Error> {
    const parked = this.#owned().flatMap(([partition, runner]) =>
      runner.parked === undefined ? [] : [[partition, runner.parked.error] as const],
    )
    return new Map(parked)
  }

  /** Reasons why the process is not ready. */
  get notReady(): readonly string[] {
    const all = this.#owned()
    const parked = all.filter(([, runner]) => runner.parked !== undefined)
    if (all.length > 0 && parked.length === all.length) {
      return parked.map(([partition]) => `partition ${partition} is parked`)
    }
    return [...this.#runners]
      .filter(([, { state, parked: why }]) => state !== 'running' && why === undefined)
      .map(([partition, { state }]) => `partition ${partition} is ${state}`)
  }

  /** Tries one parked partition, or all, again now. Returns their numbers. */
  resume(partition?: number): readonly number[] {
    const found = this.#owned().filter(
      ([number, runner]) => runner.parked && number === (partition ?? number),
    )
    for (const [, runner] of found) runner.resume()
    return found.map(([number]) => number)
  }

  /** Completes running transactions and closes all tasks. */
  async release(): Promise<void> {
    await Promise.all([...this.#runners.values()].map((runner) => runner.release()))
  }

  #owned(): [number, TaskRunner][] {
    return [...this.#runners].filter(([, runner]) => !runner.isOver)
  }

  #onParked(): void {
    const error = hopelessness(this.#owned().map(([, { parked }]) => parked))
    if (error !== undefined) this.#options.onFatal(error)
  }
}

/** Failed attempts of every partition after which the process ends. */
const ATTEMPTS_MAX = 3

/** The error with which the process ends when no partition works and no known cause lies outside the process. */
const hopelessness = (all: readonly (Parked | undefined)[]): Error | undefined => {
  const isHopeless = (one: Parked | undefined): boolean =>
    one !== undefined && one.attempts >= ATTEMPTS_MAX && !isExplained(one.error)
  if (!all.every(isHopeless)) return undefined
  return new Error('no partition of this process can work', { cause: all[0]?.error })
}
