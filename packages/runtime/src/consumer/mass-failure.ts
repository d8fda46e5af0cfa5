import { HEADER, type DeadLetterReason, type WireHeaders } from '@weir/contracts'
import type { InputRecord } from '@weir/kafka'
import type { ServiceDeps } from '../service/service.ts'
import { setting, type ConfigOf, type Settings } from '../settings/setting.ts'

/** Settings of every service that parks a source when most of its records fail. `prefix` is the service's own. */
export const massFailureSettings = (prefix: string) =>
  ({
    massFailureShare: {
      env: `${prefix}_MASS_FAILURE_SHARE`,
      schema: setting.number(0.5, 0.01, 1),
      help: "When more than this share of a source's last records on a partition would become dead letters, the source is parked there: its dead letters get the reason `source_parked`, to be replayed by it; 1: never.",
    },
    massFailureRecordsMin: {
      env: `${prefix}_MASS_FAILURE_RECORDS_MIN`,
      schema: setting.integer(100, 1, 1_000_000),
      help: 'A source can be parked only after this many records of it.',
    },
  }) satisfies Settings

export type MassFailureConfig = ConfigOf<ReturnType<typeof massFailureSettings>>

interface Counts {
  readonly failed: number
  readonly records: number
}

/** Source of a record, from its header. */
export const sourceOf = ({ headers }: { readonly headers: WireHeaders }): string =>
  headers[HEADER.source]?.toString() ?? ''

/** Counts the records of one batch by source, and how many of them failed. */
export class SourceTally implements Iterable<readonly [string, Counts]> {
  readonly #counts = new Map<string, { failed: number; records: number }>()

  add(source: string, isFailure: boolean): void {
    let counts = this.#counts.get(source)
    if (counts === undefined) this.#counts.set(source, (counts = { failed: 0, records: 0 }))
    counts.records += 1
    if (isFailure) counts.failed += 1
  }

  [Symbol.iterator](): MapIterator<[string, Counts]> {
    return this.#counts.entries()
  }
}

/** A record that becomes a dead letter, before it is known whether its source is parked. */
export interface FailedRecord {
  readonly origin: InputRecord
  readonly reason: DeadLetterReason
  readonly step: string
  readonly error: string
}

/** Records that are held for a person's decision do not count as failures: they say nothing about the pipeline. */
const HELD: ReadonlySet<DeadLetterReason> = new Set(['unknown_field', 'key_conflict'])

export const isFault = ({ reason }: Pick<FailedRecord, 'reason'>): boolean => !HELD.has(reason)

/** Gives the failures of parked sources a reason of their own; the text keeps the original reason. */
export const setApart = (
  failures: readonly FailedRecord[],
  parked: ReadonlySet<string>,
): readonly FailedRecord[] =>
  parked.size === 0
    ? failures
    : failures.map((failure) =>
        isFault(failure) && parked.has(sourceOf(failure.origin))
          ? { ...failure, reason: 'source_parked', error: `${failure.reason}: ${failure.error}` }
          : failure,
      )

/**
 * Name of a source for labels and commands. Headers can be written by other producers, so other names become
 * `unknown`.
 */
const SOURCE_NAME = /^[a-z\d-]{1,64}$/
const nameOf = (source: string): string => (SOURCE_NAME.test(source) ? source : 'unknown')

export interface MassFailureAlarm {
  raise(partition: number, source: string, counts: Counts): void
  clear(partition: number, source: string): void
  /** Lines for `/readyz`; the service stays ready. */
  readonly parked: () => readonly string[]
}

/** Reports parked sources: a metric, a log line when a source is parked or released, and a line of `/readyz`. */
export const massFailureAlarm = (service: string, { logger, metrics }: ServiceDeps): MassFailureAlarm => {
  const gauge = metrics.gauge(
    `weir_${service.replaceAll('-', '_')}_mass_failure`,
    '1 while a source is parked on a partition because most of its records become dead letters.',
    ['partition', 'source'],
  )
  const raised = new Map<string, string>()
  return {
    raise: (partition, source, { failed, records }) => {
      const name = nameOf(source)
      const place = `${partition} ${name}`
      const filter = name === 'unknown' ? '' : ` --source ${name}`
      const command = `weir dlq replay ${service} --reason source_parked${filter}`
      const isNew = !raised.has(place)
      raised.set(
        place,
        `source ${name}, partition ${partition}: ${failed} of ${records} records failed and are parked as dead letters; correct the cause, then run \`${command}\``,
      )
      if (!isNew) return
      gauge.set({ partition: String(partition), source: name }, 1)
      logger.error(
        {
          partition,
          source: name,
          failed,
          records,
          look: `weir dlq ls ${service} --reason source_parked`,
          command,
        },
        'a source is parked because most of its records become dead letters; other sources go on',
      )
    },
    clear: (partition, source) => {
      const name = nameOf(source)
      if (!raised.delete(`${partition} ${name}`)) return
      gauge.remove({ partition: String(partition), source: name })
      logger.info({ partition, source: name }, 'a source is no longer parked: its records pass')
    },
    parked: () => [...raised.values()],
  }
}

/** Sources that one partition tracks separately; all further sources are tracked together. */
const SOURCES_MAX = 500
const OTHERS = ''

/**
 * Tracks each source's share of failures over its last records on one partition. A source with a higher share than
 * allowed is parked there: its failing records become dead letters with a reason of their own, and no other source
 * waits.
 */
export class MassFailureGuard {
  readonly #config: MassFailureConfig
  readonly #alarm: MassFailureAlarm
  readonly #partition: number
  /** Counts of committed batches by source, newest last, that together cover about `massFailureRecordsMin` records. */
  readonly #recent = new Map<string, Counts[]>()

  constructor(config: MassFailureConfig, alarm: MassFailureAlarm, partition: number) {
    this.#config = config
    this.#alarm = alarm
    this.#partition = partition
  }

  /** Sources whose share of failures in this batch and the records before it is above the limit. */
  parkedIn(batch: SourceTally): ReadonlySet<string> {
    const parked = new Set<string>()
    for (const [source, counts] of batch) {
      if (counts.failed > 0 && this.#isMass(sum([...this.#windowOf(source), counts]))) parked.add(source)
    }
    return parked
  }

  /** Call when the batch has been committed. */
  committed(batch: SourceTally): void {
    for (const [source, counts] of batch) {
      const key = this.#keyOf(source)
      const window = this.#windowOf(source)
      this.#recent.set(key, window)
      window.push(counts)
      let kept = sum(window).records
      while (window.length > 1 && kept - window[0]!.records >= this.#config.massFailureRecordsMin) {
        kept -= window.shift()!.records
      }
      const all = sum(window)
      if (this.#isMass(all)) this.#alarm.raise(this.#partition, key, all)
      else this.#alarm.clear(this.#partition, key)
    }
  }

  /**
   * Call when a batch of replayed records has been committed. If all of a source's records passed, the source is
   * released.
   */
  returned(batch: SourceTally): void {
    for (const [source, { failed }] of batch) {
      if (failed > 0) continue
      const key = this.#keyOf(source)
      this.#recent.delete(key)
      this.#alarm.clear(this.#partition, key)
    }
  }

  /** Call when the partition is released. */
  close(): void {
    for (const source of this.#recent.keys()) this.#alarm.clear(this.#partition, source)
  }

  #isMass({ failed, records }: Counts): boolean {
    const { massFailureShare, massFailureRecordsMin } = this.#config
    return records >= massFailureRecordsMin && failed > massFailureShare * records
  }

  #windowOf(source: string): Counts[] {
    return this.#recent.get(this.#keyOf(source)) ?? []
  }

  #keyOf(source: string): string {
    return this.#recent.has(source) || this.#recent.size < SOURCES_MAX ? source : OTHERS
  }
}

const sum = (counts: readonly Counts[]): Counts =>
  counts.reduce((all, one) => ({ failed: all.failed + one.failed, records: all.records + one.records }), {
    failed: 0,
    records: 0,
  })
