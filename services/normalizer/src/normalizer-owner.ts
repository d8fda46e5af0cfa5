import { encodeDeadLetter, HEADER, type TopicNames } from '@weir/contracts'
import { openEventWriter, RegistryError, type EventWriter } from '@weir/event-codec'
import {
  RetriableError,
  type InputBatch,
  type InputRecord,
  type OutputRecord,
  type PartitionOwner,
  type StagedBatch,
} from '@weir/kafka'
import { assertNever } from '@weir/pipeline'
import type { Counter } from '@weir/service-kit'
import { normalizerPipeline } from './pipeline.ts'

export interface NormalizerOwnerOptions {
  readonly topics: TopicNames
  readonly registryUrl: string
  readonly partition: number
  readonly events: Counter<'outcome'>
}

/** What stays with the event for tools and dead letters. */
const KEPT_HEADERS = [
  HEADER.eventKey,
  HEADER.source,
  HEADER.eventType,
  HEADER.bodyHash,
  HEADER.receivedAt,
  HEADER.traceparent,
]

/** Normalises one partition: outputs, dead letters and offsets in one transaction. Holds no state. */
export class NormalizerOwner implements PartitionOwner {
  readonly #options: NormalizerOwnerOptions
  #writer: EventWriter | undefined

  constructor(options: NormalizerOwnerOptions) {
    this.#options = options
  }

  restore(): Promise<ReadonlyMap<string, bigint | undefined>> {
    return Promise.resolve(new Map())
  }

  async stage({ records }: InputBatch): Promise<StagedBatch> {
    const { topics, partition, events } = this.#options
    const writer = await this.#open()
    const now = Date.now()
    const outputs: OutputRecord[] = []
    const counts = { normalized: 0, dead_lettered: 0 }
    for (const record of records) {
      const outcome = normalizerPipeline.run(record)
      switch (outcome.kind) {
        case 'ok':
          outputs.push({
            ...{ topic: topics.normalized, partition, key: record.key!, headers: keptHeaders(record) },
            value: writer.encode({ ...outcome.value, processedAt: now }),
          })
          counts.normalized += 1
          break
        case 'deadLetter': {
          const { reason, step, error } = outcome
          const letter = encodeDeadLetter({ origin: record, reason, step, error, failedAt: now })
          outputs.push({ topic: topics.normalizerDlq, partition, ...letter })
          counts.dead_lettered += 1
          break
        }
        case 'drop':
          return assertNever(outcome.reason)
        default:
          return assertNever(outcome)
      }
    }
    return {
      outputs,
      committed: () => {
        events.inc({ outcome: 'normalized' }, counts.normalized)
        events.inc({ outcome: 'dead_lettered' }, counts.dead_lettered)
      },
    }
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  async #open(): Promise<EventWriter> {
    const { registryUrl, topics } = this.#options
    try {
      this.#writer ??= await openEventWriter({ registryUrl }, topics.normalized)
      return this.#writer
    } catch (error) {
      if (error instanceof RegistryError) throw new RetriableError(error.message, { cause: error })
      throw error
    }
  }
}

const keptHeaders = ({ headers }: InputRecord): Record<string, Buffer> =>
  Object.fromEntries(KEPT_HEADERS.flatMap((name) => (headers[name] ? [[name, headers[name]]] : [])))
