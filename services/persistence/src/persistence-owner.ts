import {
  encodeDeadLetter,
  type DeadLetterReason,
  type InteractionEvent,
  type TopicNames,
} from '@weir/contracts'
import { InvalidEventError, RegistryError, type EventReader } from '@weir/event-codec'
import {
  RetriableError,
  type InputBatch,
  type InputRecord,
  type OutputRecord,
  type PartitionOwner,
  type StagedBatch,
} from '@weir/kafka'
import { assertNever } from '@weir/pipeline'
import { failpoint, type Counter } from '@weir/service-kit'
import { SinkUnavailableError, type RowSink } from './row-sink.ts'

export interface PersistenceOwnerOptions {
  readonly topics: TopicNames
  readonly partition: number
  readonly reader: EventReader
  readonly sink: RowSink
  readonly rows: Counter<'result'>
}

/**
 * Stores one partition: first the rows, in one database transaction that may be repeated, then dead letters and
 * offsets in one Kafka transaction. A crash between the two repeats rows that are there already.
 */
export class PersistenceOwner implements PartitionOwner {
  readonly #options: PersistenceOwnerOptions

  constructor(options: PersistenceOwnerOptions) {
    this.#options = options
  }

  restore(): Promise<ReadonlyMap<string, bigint | undefined>> {
    return Promise.resolve(new Map())
  }

  async stage({ records }: InputBatch): Promise<StagedBatch> {
    const { sink, rows } = this.#options
    const outputs: OutputRecord[] = []
    const counts = { stored: 0, conflict: 0, rejected: 0, invalid: 0 }
    const events: InteractionEvent[] = []
    const origins: InputRecord[] = []
    for (const record of records) {
      const event = await this.#decode(record)
      if (event === undefined) {
        outputs.push(this.#letter(record, 'record_invalid', 'decodeEvent', 'not an event of the registry'))
        counts.invalid += 1
      } else {
        events.push(event)
        origins.push(record)
      }
    }
    failpoint('persistence.before-write')
    const results = await retrying(() => sink.write(events))
    failpoint('persistence.written')
    for (const [index, result] of results.entries()) {
      counts[result.kind] += 1
      const origin = origins[index]!
      switch (result.kind) {
        case 'stored':
          break
        case 'conflict':
          outputs.push(
            this.#letter(origin, 'key_conflict', 'writeRow', `the stored body's hash is ${result.first}`),
          )
          break
        case 'rejected':
          outputs.push(this.#letter(origin, 'row_rejected', 'writeRow', result.detail))
          break
        default:
          assertNever(result)
      }
    }
    return {
      outputs,
      committed: () => {
        for (const [result, count] of Object.entries(counts)) rows.inc({ result }, count)
      },
    }
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  async #decode({ value }: InputRecord): Promise<InteractionEvent | undefined> {
    if (value === null) return undefined
    try {
      return await this.#options.reader.decode(value)
    } catch (error) {
      if (error instanceof InvalidEventError) return undefined
      if (error instanceof RegistryError) throw new RetriableError(error.message, { cause: error })
      throw error
    }
  }

  #letter(origin: InputRecord, reason: DeadLetterReason, step: string, error: string): OutputRecord {
    const { topics, partition } = this.#options
    const letter = encodeDeadLetter({ origin, reason, step, error, failedAt: Date.now() })
    return { topic: topics.persistenceDlq, partition, ...letter }
  }
}

/** The database being away is never a reason for a dead letter. */
export const retrying = async <T>(call: () => Promise<T>): Promise<T> => {
  try {
    return await call()
  } catch (error) {
    if (error instanceof SinkUnavailableError) throw new RetriableError(error.message, { cause: error })
    throw error
  }
}
