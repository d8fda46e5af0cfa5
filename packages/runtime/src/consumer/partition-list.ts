import { isExplained, type TaskState, type Processor } from '@weir/kafka'
import type { Routes } from '../http/health.ts'

/** A partition that this process owns. */
export interface ListedPartition {
  readonly stage: string
  readonly partition: number
  readonly state: TaskState
  /** Why it is parked. */
  readonly why?: string
}

/**
 * The partitions of one process, over all of its processors: what each is doing, and a way to retry parked ones at
 * once.
 */
export class PartitionList {
  readonly #stages = new Map<string, Pick<Processor, 'partitions' | 'parked' | 'resume'>>()

  add(name: string, processor: Pick<Processor, 'partitions' | 'parked' | 'resume'>): void {
    this.#stages.set(name, processor)
  }

  list(): readonly ListedPartition[] {
    return [...this.#stages].flatMap(([stage, { partitions, parked }]) =>
      [...partitions]
        .sort(([a], [b]) => a - b)
        .map(([partition, state]) => {
          const error = parked.get(partition)
          return error === undefined
            ? { stage, partition, state }
            : { stage, partition, state: 'parked', why: textOf(error) }
        }),
    )
  }

  /** One line per parked partition, for `/readyz`. */
  parked(): readonly string[] {
    return this.list().flatMap(({ stage, partition, why }) =>
      why === undefined ? [] : [`${stage}, partition ${partition}: ${why}`],
    )
  }

  /** Retries one partition of one processor, or all parked partitions. */
  resume(stage: string | undefined, partition: number | undefined): readonly string[] {
    return [...this.#stages]
      .filter(([name]) => name === (stage ?? name))
      .flatMap(([name, one]) => one.resume(partition).map((number) => `${name}, partition ${number}`))
  }

  readonly routes: Routes = {
    'GET /partitions': () => Promise.resolve({ status: 200, body: this.list() }),
    'POST /partitions/resume': (query) => {
      const partition = query.get('partition')
      const resumed = this.resume(
        query.get('stage') ?? undefined,
        partition === null ? undefined : Number(partition),
      )
      return Promise.resolve({ status: 200, body: { resumed } })
    },
  }
}

/** The message of an unexpected error may quote a record, so only its name is shown. */
const textOf = (error: Error): string =>
  isExplained(error) ? error.message : `${error.name}, an unexpected error: see the log`
