import { setTimeout as sleep } from 'node:timers/promises'
import {
  RetriableError,
  StateError,
  type InputBatch,
  type InputRecord,
  type Task,
  type RestoreContext,
  type ProcessedBatch,
} from '@weir/kafka'
import { failpoint, taskErrorOf, type Counter, type Gauge } from '@weir/runtime'
import { InfluxUnavailableError } from './influx.ts'
import { recount, statsRecordsOf, type RecountOptions } from './recount.ts'
import { encodeOrigin } from './sums-metadata.ts'
import { UnsettledWindows } from './unsettled-windows.ts'
import { WindowSums, type StatsRecord, type WindowPoint } from './window-sums.ts'

export interface MetricExportTaskOptions extends RecountOptions {
  /** Absent: only the counters are served and nothing is written. Gives up after `writeTimeoutMs`. */
  readonly write?: (partition: number, points: readonly WindowPoint[]) => Promise<void>
  readonly writeTimeoutMs: number
  readonly events: Counter<'source' | 'outcome'>
  /** Windows that must be written once more. */
  readonly unsettled: Gauge<'partition'>
  /** Clock in ms, for tests. */
  readonly now?: () => number
}

const SETTLE_POINTS_MAX = 5_000
/** Points that may wait for their last write. After a long outage the task waits for room. */
const UNSETTLED_POINTS_MAX = 100_000
const LOOK_MS = 1_000

/**
 * Sums the counts of one partition. Points hold absolute values, so writing them again changes nothing. Each window is
 * written once more when no older write of it can be under way. The metadata of the committed offset say from where
 * the sums are counted again, so neither their number nor their names are limited.
 */
export class MetricExportTask implements Task {
  readonly #options: MetricExportTaskOptions
  readonly #unsettled: UnsettledWindows
  #base = WindowSums.empty
  /** The committed sums. */
  #sums = WindowSums.empty
  /** See `Recount`. */
  #lostUntil = -Infinity
  /**
   * True between the processing of a batch and its commit. No last write happens then, because it might hold older
   * values.
   */
  #isStaging = false
  #settling: Promise<void> | undefined
  #failure: Error | undefined
  #timer: NodeJS.Timeout | undefined
  #ownershipIsFresh: () => boolean = () => false

  constructor(options: MetricExportTaskOptions) {
    this.#options = options
    this.#unsettled = new UnsettledWindows(options.writeTimeoutMs, options.now ?? (() => performance.now()))
  }

  async restore(context: RestoreContext): Promise<ReadonlyMap<string, bigint | undefined>> {
    const { topic, write } = this.#options
    this.#ownershipIsFresh = context.ownershipIsFresh
    const committed = context.committed(topic)
    if (committed !== undefined) {
      const { base, sums, lostUntil } = await recount(this.#options, committed)
      this.#base = base
      this.#sums = sums
      this.#lostUntil = lostUntil
    }
    if (write !== undefined) {
      // A predecessor may have been killed during a write.
      for (const start of this.#sums.starts) this.#unsettled.changed(start)
      this.#report()
      const everyMs = Math.min(LOOK_MS, this.#unsettled.graceMs / 4)
      this.#timer = setInterval(() => void this.settle(), everyMs).unref()
    }
    return new Map()
  }

  async process({ records, ownershipIsFresh, signal }: InputBatch): Promise<ProcessedBatch> {
    const { events } = this.#options
    this.#isStaging = true
    try {
      await this.#settling
      if (this.#failure !== undefined) throw this.#failure
      await this.#untilRoom(signal)
      const stats = records.flatMap((record) => this.#statsOf(record))
      const { sums: all, changed } = this.#sums.add(stats)
      await this.#write(changed, ownershipIsFresh)
      const sums = all.keep((start) => this.#unsettled.has(start))
      return {
        outputs: [],
        offsetMetadata: encodeOrigin(sums, this.#base),
        committed: () => {
          this.#sums = sums
          this.#isStaging = false
          for (const { source, unique, duplicates, conflicts, deadLettered } of stats.map(
            (one) => one.stats,
          )) {
            for (const [outcome, count] of Object.entries({ unique, duplicates, conflicts, deadLettered })) {
              events.inc({ source, outcome }, count)
            }
          }
        },
      }
    } catch (error) {
      this.#isStaging = false
      throw error
    }
  }

  /** Writes each due window for the last time, unless a batch is under way. */
  settle(): Promise<void> {
    if (this.#isStaging || this.#failure !== undefined) return Promise.resolve()
    this.#settling ??= this.#settleDue().finally(() => {
      this.#settling = undefined
    })
    return this.#settling
  }

  async close(): Promise<void> {
    const { unsettled, partition } = this.#options
    clearInterval(this.#timer)
    await this.#settling
    unsettled.remove({ partition: String(partition) })
  }

  async #write(points: readonly WindowPoint[], ownershipIsFresh: () => boolean): Promise<void> {
    const { partition, write } = this.#options
    if (write === undefined || points.length === 0) return
    // The late write of a former owner would restore older values.
    if (!ownershipIsFresh()) throw new RetriableError('the ownership of the partition is not confirmed')
    for (const { windowStart } of points) this.#unsettled.changed(windowStart)
    try {
      await write(partition, points)
      this.#unsettled.answered()
    } catch (error) {
      this.#unsettled.unanswered()
      throw taskErrorOf(error, { away: InfluxUnavailableError })
    } finally {
      for (const { windowStart } of points) this.#unsettled.changed(windowStart)
      this.#report()
    }
    failpoint('metric-export.written')
  }

  async #settleDue(): Promise<void> {
    const { partition, write, logger } = this.#options
    const starts: number[] = []
    const points: WindowPoint[] = []
    for (const start of this.#unsettled.due()) {
      if (points.length >= SETTLE_POINTS_MAX) break
      starts.push(start)
      points.push(...this.#sums.pointsOf(start))
    }
    if (write === undefined || starts.length === 0 || !this.#ownershipIsFresh()) return
    const isLast = this.#unsettled.isQuiet
    try {
      await write(partition, points)
    } catch (error) {
      this.#unsettled.unanswered()
      if (error instanceof InfluxUnavailableError) {
        logger.warn(
          { partition, windows: starts.length },
          `${error.message}; the windows are written again later`,
        )
      } else this.#failure = error as Error
      return
    }
    this.#unsettled.answered()
    if (!isLast) return
    for (const start of starts) this.#unsettled.settled(start)
    this.#report()
    this.#sums = this.#sums.keep((start) => this.#unsettled.has(start))
  }

  async #untilRoom(signal: AbortSignal): Promise<void> {
    while (this.#options.write !== undefined && this.#sums.pointCount > UNSETTLED_POINTS_MAX) {
      signal.throwIfAborted()
      const before = this.#sums.pointCount
      await this.#settleDue()
      if (this.#failure !== undefined) throw this.#failure
      if (this.#sums.pointCount === before) await sleep(LOOK_MS, undefined, { signal })
    }
  }

  #report(): void {
    const { unsettled, partition } = this.#options
    unsettled.set({ partition: String(partition) }, this.#unsettled.count)
  }

  #statsOf(record: InputRecord): readonly StatsRecord[] {
    const { topic, partition, logger } = this.#options
    const found = statsRecordsOf(record, logger)
    if (found.every(({ stats }) => stats.windowStart > this.#lostUntil)) return found
    throw new StateError(
      `${topic}/${partition}: offset ${record.offset} counts for the window ${this.#lostUntil}, whose earlier records ` +
        'are no longer in the log: raise retention.ms of the topic above the length of a window',
    )
  }
}
