import { decodeDedupStats, type DedupStats } from '@weir/contracts'
import {
  RetriableError,
  type InputBatch,
  type PartitionOwner,
  type RestoreContext,
  type StagedBatch,
} from '@weir/kafka'
import { failpoint, type Counter, type Logger } from '@weir/service-kit'
import { InfluxUnavailableError } from './influx.ts'
import { WindowSums, type WindowPoint } from './window-sums.ts'

export interface MetricExportOwnerOptions {
  readonly topic: string
  readonly partition: number
  /** Absent: nothing is written, the counters alone are served. */
  readonly write?: (partition: number, points: readonly WindowPoint[]) => Promise<void>
  readonly events: Counter<'source' | 'outcome'>
  readonly logger: Logger
}

/** Adds up one partition's counts. Points hold absolute values, so writing them again changes nothing. */
export class MetricExportOwner implements PartitionOwner {
  readonly #options: MetricExportOwnerOptions
  #sums = WindowSums.empty

  constructor(options: MetricExportOwnerOptions) {
    this.#options = options
  }

  restore(context: RestoreContext): Promise<ReadonlyMap<string, bigint | undefined>> {
    this.#sums = WindowSums.decode(context.committed(this.#options.topic)?.metadata ?? '')
    return Promise.resolve(new Map())
  }

  async stage({ records, ownershipIsFresh }: InputBatch): Promise<StagedBatch> {
    const { partition, write, events } = this.#options
    const stats = records.flatMap(({ value, offset }) => this.#decode(value, offset))
    const { sums, changed } = this.#sums.add(stats)
    if (write !== undefined && changed.length > 0) {
      // A former owner's late write would put back older values, which no successor would correct.
      if (!ownershipIsFresh()) throw new RetriableError('the ownership of the partition is not confirmed')
      await retrying(() => write(partition, changed))
      failpoint('metric-export.written')
    }
    return {
      outputs: [],
      offsetMetadata: sums.encode(),
      committed: () => {
        this.#sums = sums
        for (const { source, unique, duplicates, conflicts, deadLettered } of stats) {
          for (const [outcome, count] of Object.entries({ unique, duplicates, conflicts, deadLettered })) {
            events.inc({ source, outcome }, count)
          }
        }
      },
    }
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  #decode(value: Buffer | null, offset: bigint): DedupStats[] {
    try {
      return value === null ? [] : [decodeDedupStats(value)]
    } catch (error) {
      if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error
      this.#options.logger.error(
        { partition: this.#options.partition, offset: String(offset) },
        'not a stats record',
      )
      return []
    }
  }
}

const retrying = async (write: () => Promise<void>): Promise<void> => {
  try {
    await write()
  } catch (error) {
    if (error instanceof InfluxUnavailableError) throw new RetriableError(error.message, { cause: error })
    throw error
  }
}
