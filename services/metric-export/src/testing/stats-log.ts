import { encodeDedupStats, type DedupStats } from '@weir/contracts'
import { Metrics } from '@weir/runtime'
import type { InputBatch, InputRecord, RestoreContext, TopicReader } from '@weir/kafka'

/** The metrics that a task keeps. */
export const counters = () => {
  const metrics = new Metrics('test')
  return {
    events: metrics.counter('weir_test_total', 'Test.', ['source', 'outcome']),
    unsettled: metrics.gauge('weir_test_windows', 'Test.', ['partition']),
  }
}

export const TOPIC = 'dedup.stats.v1'

export const statsOf = (changes: Partial<DedupStats>): DedupStats => ({
  source: 'cxone',
  partition: 0,
  windowStart: 10_000,
  windowMs: 10_000,
  received: 0,
  unique: 0,
  returned: 0,
  duplicates: 0,
  conflicts: 0,
  deadLettered: 0,
  malformed: 0,
  malformedRepeats: 0,
  rotations: 0,
  keysHeld: 0,
  ...changes,
})

/** One partition of the stats topic, in memory. */
export class StatsLog {
  readonly records: InputRecord[] = []
  /** Deletes the records before an offset, as retention does. */
  start = 0n

  append(values: readonly (DedupStats | Buffer | null)[]): void {
    for (const value of values) {
      this.records.push({
        topic: TOPIC,
        partition: 0,
        offset: BigInt(this.records.length),
        timestamp: 0,
        key: null,
        value: value === null || Buffer.isBuffer(value) ? value : encodeDedupStats(value),
        headers: {},
      })
    }
  }

  batch(from: number, to: number, isFresh = true): InputBatch {
    return {
      topic: TOPIC,
      partition: 0,
      nextOffset: BigInt(to),
      records: this.records.slice(from, to),
      signal: new AbortController().signal,
      ownershipIsFresh: () => isFresh,
    }
  }

  context(committed: { readonly offset: bigint; readonly metadata: string } | undefined): RestoreContext {
    return {
      partition: 0,
      clusterId: 'c',
      signal: new AbortController().signal,
      committed: () => committed,
      ownershipIsFresh: () => true,
    }
  }

  readonly reader = (): Promise<TopicReader> =>
    Promise.resolve({
      topic: TOPIC,
      offsets: () => Promise.reject(new Error('not in this model')),
      readToEnd: () => Promise.reject(new Error('not in this model')),
      stableOffsets: () =>
        Promise.resolve(new Map([[0, { start: this.start, end: BigInt(this.records.length) }]])),
      readRange: async ({ from, end }, onRecord) => {
        for (const record of this.records) {
          if (record.offset >= from && record.offset >= this.start && record.offset < end)
            await onRecord(record)
        }
        return end
      },
      close: () => Promise.resolve(),
    })
}
