import { RetriableError } from '@weir/kafka'
import { setting, type ConfigOf, type ServiceDeps, type Settings } from '@weir/service-kit'

/** Settings of every service that stops when most of what it reads fails. `prefix` is the service's. */
export const massFailureSettings = (prefix: string) =>
  ({
    massFailureShare: {
      env: `${prefix}_MASS_FAILURE_SHARE`,
      schema: setting.number(0.5, 0.01, 1),
      help: 'When more than this share of the last records would become dead letters, the partition pauses instead; 1: never.',
    },
    massFailureRecordsMin: {
      env: `${prefix}_MASS_FAILURE_RECORDS_MIN`,
      schema: setting.integer(100, 1, 1_000_000),
      help: 'Over at least so many records: fewer say nothing.',
    },
  }) satisfies Settings

export type MassFailureConfig = ConfigOf<ReturnType<typeof massFailureSettings>>

/** Most of what comes fails: something is wrong with the pipeline, not with the records. */
export class MassFailureError extends RetriableError {}

export interface MassFailureAlarm {
  raise(partition: number, failed: number, records: number): void
  clear(partition: number): void
  /** For `/readyz`. */
  readonly readiness: () => readonly string[]
}

/** Tells people of a mass failure: a metric, a log line each time the batch is tried again, and readiness. */
export const massFailureAlarm = (service: string, { logger, metrics }: ServiceDeps): MassFailureAlarm => {
  const gauge = metrics.gauge(
    `weir_${service.replaceAll('-', '_')}_mass_failure`,
    '1 while a partition is paused because most records would become dead letters.',
    ['partition'],
  )
  const raised = new Map<number, string>()
  return {
    raise: (partition, failed, records) => {
      raised.set(partition, `partition ${partition}: ${failed} of ${records} records would be dead letters`)
      gauge.set({ partition: String(partition) }, 1)
      logger.error({ partition, failed, records }, 'mass failure: the partition is paused')
    },
    clear: (partition) => {
      if (!raised.delete(partition)) return
      gauge.set({ partition: String(partition) }, 0)
      logger.info({ partition }, 'mass failure is over')
    },
    readiness: () => [...raised.values()],
  }
}

/**
 * Watches one partition's share of failures over the last records. A paused batch is tried again with back-off, so a
 * corrected mapping, schema or database goes on by itself; nothing was written of it meanwhile.
 */
export class MassFailureGuard {
  readonly #config: MassFailureConfig
  readonly #alarm: MassFailureAlarm
  readonly #partition: number
  /** Of committed batches, newest last, together about `massFailureRecordsMin` records. */
  #recent: { readonly failed: number; readonly records: number }[] = []

  constructor(config: MassFailureConfig, alarm: MassFailureAlarm, partition: number) {
    this.#config = config
    this.#alarm = alarm
    this.#partition = partition
  }

  /** Throws a `MassFailureError` when this batch, with what came right before it, fails too much. */
  check(failed: number, records: number): void {
    const { massFailureShare, massFailureRecordsMin } = this.#config
    const all = this.#recent.reduce(
      (sum, batch) => ({ failed: sum.failed + batch.failed, records: sum.records + batch.records }),
      { failed, records },
    )
    if (failed > 0 && all.records >= massFailureRecordsMin && all.failed > massFailureShare * all.records) {
      this.#alarm.raise(this.#partition, all.failed, all.records)
      throw new MassFailureError(`${all.failed} of ${all.records} records would become dead letters`)
    }
  }

  /** The batch is committed. */
  committed(failed: number, records: number): void {
    this.#alarm.clear(this.#partition)
    this.#recent.push({ failed, records })
    let kept = this.#recent.reduce((sum, batch) => sum + batch.records, 0)
    while (this.#recent.length > 1 && kept - this.#recent[0]!.records >= this.#config.massFailureRecordsMin) {
      kept -= this.#recent.shift()!.records
    }
  }

  /** The partition is given up. */
  close(): void {
    this.#alarm.clear(this.#partition)
  }
}
