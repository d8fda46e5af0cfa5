import {
  DEAD_LETTER_STAGES,
  encodeDeadLetter,
  HEADER,
  isBodyWhole,
  type DeadLetterKeys,
  type DeadLetterReason,
  type DeadLetterStage,
  type InteractionEvent,
  type TopicNames,
} from '@weir/contracts'
import { InvalidEventError, RegistryError, UnknownSchemaError, type EventReader } from '@weir/event-codec'
import {
  type InputBatch,
  type InputRecord,
  type OutputRecord,
  type Task,
  type ProcessedBatch,
} from '@weir/kafka'
import {
  assertNever,
  type Counter,
  type FailedRecord,
  failpoint,
  isFault,
  type MassFailureGuard,
  setApart,
  sourceOf,
  SourceTally,
  taskErrorOf,
} from '@weir/runtime'
import type { KnownFields } from './known-fields.ts'
import { SinkFaultError, SinkUnavailableError, type RowSink } from './row-sink.ts'

/** The services that write rows: their dead letters hold events. */
export type RowStage = {
  [Stage in DeadLetterStage]: (typeof DEAD_LETTER_STAGES)[Stage]['holds'] extends 'event' ? Stage : never
}[DeadLetterStage]

export interface RowTaskOptions {
  readonly service: RowStage
  readonly topics: TopicNames
  readonly partition: number
  readonly reader: EventReader
  readonly sink: RowSink
  readonly rows: Counter<'result'>
  readonly keys: DeadLetterKeys | undefined
  readonly guard: MassFailureGuard
  /** Absent: rows get no null attributes and no shape number. */
  readonly knownFields?: KnownFields
}

type Decoded = { readonly event: InteractionEvent } | Pick<FailedRecord, 'reason' | 'error'>

/**
 * Stores one partition: first the rows, which can be written again, then dead letters and offsets in one Kafka
 * transaction. A crash between the two repeats rows, which changes nothing.
 */
export class RowTask implements Task {
  readonly #options: RowTaskOptions

  constructor(options: RowTaskOptions) {
    this.#options = options
  }

  restore(): Promise<ReadonlyMap<string, bigint | undefined>> {
    return Promise.resolve(new Map())
  }

  async process({ topic, records }: InputBatch): Promise<ProcessedBatch> {
    const { service, topics, sink, rows, guard, knownFields } = this.#options
    const failures: FailedRecord[] = []
    const counts = { stored: 0, conflict: 0, rejected: 0, invalid: 0 }
    const events: InteractionEvent[] = []
    const origins: InputRecord[] = []
    for (const record of records) {
      const decoded = await this.#decode(record)
      if ('event' in decoded) {
        events.push(knownFields?.fill(decoded.event) ?? decoded.event)
        origins.push(record)
      } else {
        failures.push({ ...decoded, origin: record, step: 'decodeEvent' })
        counts.invalid += 1
      }
    }
    const isReplay = topic === topics[DEAD_LETTER_STAGES[service].replay]
    failpoint(`${service}.before-write`)
    const results = await retrying(() => sink.write(events))
    failpoint(`${service}.written`)
    for (const [index, result] of results.entries()) {
      counts[result.kind] += 1
      const origin = origins[index]!
      switch (result.kind) {
        case 'stored':
          break
        case 'conflict':
          failures.push(failedWrite(origin, 'key_conflict', `the stored body's hash is ${result.first}`))
          break
        case 'rejected':
          failures.push(failedWrite(origin, 'row_rejected', result.detail))
          break
        default:
          assertNever(result)
      }
    }
    const sources = tallyOf(records, failures)
    const letters = isReplay ? failures : setApart(failures, guard.parkedIn(sources))
    return {
      outputs: letters.map((letter) => this.#letter(letter)),
      committed: () => {
        if (isReplay) guard.returned(sources)
        else guard.committed(sources)
        for (const [result, count] of Object.entries(counts)) rows.inc({ result }, count)
      },
    }
  }

  close(): Promise<void> {
    this.#options.guard.close()
    return Promise.resolve()
  }

  async #decode({ value, headers }: InputRecord): Promise<Decoded> {
    const invalid = { reason: 'record_invalid', error: 'not an event of the registry' } as const
    if (value === null) return invalid
    try {
      const event = await this.#options.reader.decode(value)
      if (isBodyWhole(headers, event.raw)) return { event }
      const error = `the CRC-32 of the raw body is not that of the header ${HEADER.bodyCrc32}`
      return { reason: 'body_damaged', error }
    } catch (error) {
      if (error instanceof InvalidEventError) return invalid
      if (error instanceof UnknownSchemaError) return { reason: 'unknown_schema', error: error.message }
      throw taskErrorOf(error, { away: RegistryError })
    }
  }

  #letter({ origin, reason, step, error }: FailedRecord): OutputRecord {
    const { service, topics, partition, keys } = this.#options
    const letter = encodeDeadLetter({ origin, reason, step, error, failedAt: Date.now() }, keys)
    return { topic: topics[DEAD_LETTER_STAGES[service].letters], partition, ...letter }
  }
}

const failedWrite = (origin: InputRecord, reason: DeadLetterReason, error: string): FailedRecord => ({
  origin,
  reason,
  error,
  step: 'writeRow',
})

const tallyOf = (records: readonly InputRecord[], failures: readonly FailedRecord[]): SourceTally => {
  const failed = new Set<InputRecord>(failures.filter(isFault).map(({ origin }) => origin))
  const tally = new SourceTally()
  for (const record of records) tally.add(sourceOf(record), failed.has(record))
  return tally
}

/** Translates errors of a store: an unavailable store is retried, and a fault parks the partition. */
export const retrying = async <T>(call: () => Promise<T>): Promise<T> => {
  try {
    return await call()
  } catch (error) {
    throw taskErrorOf(error, { away: SinkUnavailableError, refused: SinkFaultError })
  }
}
