import { isExplained, type PartitionState, type Stage } from '@weir/kafka'
import type { Routes } from '../http/health.ts'

/** A partition that a process owns. */
export interface ListedPartition {
  readonly stage: string
  readonly partition: number
  readonly state: PartitionState
  /** Why it is parked. */
  readonly why?: string
}

/** The partitions of a process, of one stage or more, for people: what each is doing, and those that are parked to be tried again. */
export class PartitionList {
  readonly #stages = new Map<string, Pick<Stage, 'partitions' | 'parked' | 'resume'>>()

  add(name: string, stage: Pick<Stage, 'partitions' | 'parked' | 'resume'>): void {
    this.#stages.set(name, stage)
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

  /** One line each, for `/readyz`. */
  parked(): readonly string[] {
    return this.list().flatMap(({ stage, partition, why }) =>
      why === undefined ? [] : [`${stage}, partition ${partition}: ${why}`],
    )
  }

  /** Of one stage and partition, or of all. */
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

/** What nobody expected may quote a record. */
const textOf = (error: Error): string =>
  isExplained(error) ? error.message : `${error.name}, which nobody expected: the log has it`
