import {
  encodeDeadLetter,
  HEADER,
  jsonBody,
  parseBodyForm,
  recordSizeFault,
  type DeadLetterKeys,
  type DeadLetterReason,
  type TopicNames,
} from '@weir/contracts'
import type { EventWriter } from '@weir/event-codec'
import { parseExactJson } from '@weir/exact-json'
import type { InputBatch, InputRecord, OutputRecord, Task, ProcessedBatch } from '@weir/kafka'
import {
  assertNever,
  type FailedRecord,
  isFault,
  type MassFailureGuard,
  type PipelineOutcome,
  setApart,
  sourceOf,
  SourceTally,
} from '@weir/runtime'
import type { EventLines } from './event-log.ts'
import type { NormalizerMetrics } from './normalizer-metrics.ts'
import type { NormalizerPipeline } from './pipeline.ts'
import type { ShapeCache } from './schemas/shape.ts'
import { ShapeTally, type SentShapes } from './schemas/shape-tally.ts'
import type { NormalizedWebhook } from './steps/map-event.ts'

export interface NormalizerTaskOptions {
  readonly topics: TopicNames
  readonly partition: number
  readonly pipeline: NormalizerPipeline
  /** Rejects with a `RetriableError` while the registry is unavailable. */
  readonly openWriter: () => Promise<EventWriter>
  /** Called before a batch of replayed records. Rejects with a `RetriableError`. */
  readonly refreshApprovals: () => Promise<void>
  readonly keys: DeadLetterKeys | undefined
  readonly guard: MassFailureGuard
  readonly sent: SentShapes
  /** Computes the shapes for dead letters. */
  readonly shapes: ShapeCache
  readonly metrics: NormalizerMetrics
  readonly openLines: () => EventLines
}

/** Headers that the event keeps for tools and dead letters. */
const KEPT_HEADERS = [
  HEADER.eventKey,
  HEADER.dedupKey,
  HEADER.source,
  HEADER.eventType,
  HEADER.bodyHash,
  HEADER.bodyCrc32,
  HEADER.bodyForm,
  HEADER.receivedAt,
  HEADER.answer,
  HEADER.traceparent,
  HEADER.fixUp,
] as const

interface Staging {
  readonly outputs: OutputRecord[]
  readonly tally: ShapeTally
  readonly lines: EventLines
  readonly now: number
  readonly sources: SourceTally
  readonly failures: FailedRecord[]
  normalized: number
  leftOut: number
}

/** Normalises one partition. Events, dead letters, shape counts and offsets are one transaction. Keeps no state. */
export class NormalizerTask implements Task {
  readonly #options: NormalizerTaskOptions

  constructor(options: NormalizerTaskOptions) {
    this.#options = options
  }

  restore(): Promise<ReadonlyMap<string, bigint | undefined>> {
    return Promise.resolve(new Map())
  }

  async process({ topic, records }: InputBatch): Promise<ProcessedBatch> {
    const { topics, partition, openWriter, pipeline, guard, sent, metrics } = this.#options
    const writer = await openWriter()
    const isReplay = topic === topics.normalizerReplay
    if (isReplay) await this.#options.refreshApprovals()
    const staging: Staging = {
      outputs: [],
      tally: new ShapeTally(),
      lines: this.#options.openLines(),
      now: Date.now(),
      sources: new SourceTally(),
      failures: [],
      normalized: 0,
      leftOut: 0,
    }
    for (const record of records) this.#act(record, pipeline.run(record), writer, staging)
    const { sources, failures } = staging
    // A replayed record that fails again keeps its own reason.
    this.#writeLetters(isReplay ? failures : setApart(failures, guard.parkedIn(sources)), staging)
    const { counts, withPaths } = staging.tally.counts(sent)
    if (counts.length > 0) {
      const value = Buffer.from(JSON.stringify(counts))
      const key = Buffer.from(String(partition))
      staging.outputs.push({ topic: topics.shapes, partition: 0, key, value, headers: {} })
    }
    return {
      outputs: staging.outputs,
      committed: () => {
        sent.add(withPaths)
        if (isReplay) guard.returned(sources)
        else guard.committed(sources)
        metrics.events.inc({ outcome: 'normalized' }, staging.normalized)
        metrics.events.inc({ outcome: 'dead_lettered' }, failures.length)
        metrics.leftOut.inc({ reason: 'attributes_limit' }, staging.leftOut)
        staging.lines.write(Date.now())
      },
    }
  }

  close(): Promise<void> {
    this.#options.guard.close()
    return Promise.resolve()
  }

  #act(
    record: InputRecord,
    outcome: PipelineOutcome<NormalizedWebhook>,
    writer: EventWriter,
    staging: Staging,
  ): void {
    switch (outcome.kind) {
      case 'ok': {
        const { event, shape, leftOut } = outcome.value
        event.processedAt = staging.now
        event.fixUp = record.headers[HEADER.fixUp]?.toString() ?? null
        const value = writer.encode(event)
        const { topics, partition } = this.#options
        const output = { key: record.key!, value, headers: keptHeaders(record) }
        const sizeFault = recordSizeFault(output)
        if (sizeFault !== undefined) {
          fail(record, 'event_too_large', 'encodeEvent', sizeFault, staging)
          break
        }
        staging.outputs.push({ topic: topics.normalized, partition, ...output })
        staging.tally.add(event.source, event.eventType, shape, record.timestamp)
        staging.lines.processed(event)
        staging.sources.add(event.source, false)
        staging.normalized += 1
        staging.leftOut += leftOut
        break
      }
      case 'deadLetter':
        fail(record, outcome.reason, outcome.step, outcome.error, staging)
        break
      case 'drop':
        assertNever(outcome.reason)
        break
      default:
        assertNever(outcome)
    }
  }

  #writeLetters(failures: readonly FailedRecord[], { outputs, lines, now }: Staging): void {
    const { topics, partition, keys } = this.#options
    for (const { origin, reason, step, error } of failures) {
      const shape = this.#shapeOf(origin)
      const headers = shape === undefined ? {} : { [HEADER.dlqShape]: Buffer.from(shape) }
      const letter = encodeDeadLetter({ origin, reason, step, error, failedAt: now, headers }, keys)
      outputs.push({ topic: topics.normalizerDlq, partition, ...letter })
      lines.failed(origin, reason, error)
    }
  }

  #shapeOf({ value, headers }: InputRecord): string | undefined {
    try {
      const bodyForm = parseBodyForm(headers[HEADER.bodyForm]?.toString())
      const json = jsonBody({ raw: value ?? Buffer.alloc(0), bodyForm })
      return this.#options.shapes.shapeOf(parseExactJson(json.toString())).fingerprint
    } catch {
      return undefined
    }
  }
}

const fail = (
  origin: InputRecord,
  reason: DeadLetterReason,
  step: string,
  error: string,
  { failures, sources }: Staging,
): void => {
  const failure = { origin, reason, step, error }
  failures.push(failure)
  sources.add(sourceOf(origin), isFault(failure))
}

const keptHeaders = ({ headers }: InputRecord): Record<string, Buffer> => {
  const kept: Record<string, Buffer> = {}
  for (const name of KEPT_HEADERS) {
    const value = headers[name]
    if (value !== undefined) kept[name] = value
  }
  return kept
}
