import {
  decodeObservedShape,
  decodeShapeCounts,
  observedShapeKey,
  type ObservedShape,
  type TopicNames,
} from '@weir/contracts'
import type { InputBatch, OutputRecord, Task, RestoreContext, ProcessedBatch } from '@weir/kafka'
import type { SchemaMetrics } from '../normalizer-metrics.ts'
import { SchemaVersions, type Adoption } from './schema-versions.ts'

export interface SchemaVersionsTaskOptions {
  readonly topics: TopicNames
  readonly metrics: SchemaMetrics
  /** Called after each commit, and with undefined when this instance stops counting. */
  readonly onAdoption: (adoption: ReadonlyMap<string, Adoption> | undefined) => void
}

/**
 * Allocates all version numbers. Reads the counts of every transaction in log order, and writes the shapes that they
 * change in the same transaction as its position. `schemas.observed.v1` is its changelog and its output.
 */
export class SchemaVersionsTask implements Task {
  readonly #options: SchemaVersionsTaskOptions
  readonly #versions = new SchemaVersions()

  constructor(options: SchemaVersionsTaskOptions) {
    this.#options = options
  }

  async restore({ state }: RestoreContext): Promise<ReadonlyMap<string, bigint | undefined>> {
    await state!.read(state!.logStartOffset, (records) => {
      for (const { value } of records) {
        const shape = decodeObservedShape(value)
        if (shape) this.#versions.restore(shape)
      }
    })
    this.#report()
    return new Map()
  }

  process({ records }: InputBatch): Promise<ProcessedBatch> {
    const changed = this.#versions.fold(records.flatMap(({ value }) => decodeShapeCounts(value)))
    return Promise.resolve({
      outputs: changed.map((shape) => this.#output(shape)),
      committed: () => {
        this.#versions.apply(changed)
        this.#report()
      },
    })
  }

  close(): Promise<void> {
    const { metrics, onAdoption } = this.#options
    for (const gauge of [
      metrics.adopted,
      metrics.total,
      metrics.rate,
      metrics.versions,
      metrics.oldestArriving,
    ]) {
      gauge.reset()
    }
    onAdoption(undefined)
    return Promise.resolve()
  }

  #output(shape: ObservedShape): OutputRecord {
    const key = Buffer.from(observedShapeKey(shape))
    const value = Buffer.from(JSON.stringify(shape))
    return { topic: this.#options.topics.schemasObserved, partition: 0, key, value, headers: {} }
  }

  #report(): void {
    const { metrics, onAdoption } = this.#options
    const adoption = this.#versions.adoption()
    for (const [source, { adopted, total, rate, versions, oldestArriving }] of adoption) {
      metrics.adopted.set({ source }, adopted)
      metrics.total.set({ source }, total)
      metrics.rate.set({ source }, rate)
      metrics.versions.set({ source }, versions)
      if (Number.isFinite(oldestArriving)) metrics.oldestArriving.set({ source }, oldestArriving)
    }
    metrics.overLimit.set(this.#versions.overLimit)
    onAdoption(adoption)
  }
}
