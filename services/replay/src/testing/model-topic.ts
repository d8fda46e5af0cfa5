import type { WireRecord } from '@weir/contracts'
import type { InputRecord, TopicReader } from '@weir/kafka'

type Entry =
  | { readonly kind: 'record'; readonly record: InputRecord; transaction: 'open' | 'aborted' | 'committed' }
  /** Also counts the markers that end transactions. */
  | { readonly kind: 'marker' }

/** A topic as a read_committed reader sees it, with transactions, markers and retention. */
export class ModelTopic {
  readonly #name: string
  readonly #partitions: { entries: Entry[]; start: number }[]

  constructor(name: string, partitions: number) {
    this.#name = name
    this.#partitions = Array.from({ length: partitions }, () => ({ entries: [], start: 0 }))
  }

  /** Appends records in an open transaction, or without one. Returns their offsets. */
  append(partition: number, records: readonly WireRecord[], transaction: 'open' | 'committed'): bigint[] {
    const { entries } = this.#partitions[partition]!
    return records.map((one) => {
      const offset = BigInt(entries.length)
      const record = { topic: this.#name, partition, offset, timestamp: 0, ...one }
      entries.push({ kind: 'record', record, transaction })
      return offset
    })
  }

  /** Ends the open transactions of a partition. */
  end(partition: number, outcome: 'aborted' | 'committed'): void {
    const { entries } = this.#partitions[partition]!
    const open = entries.filter((entry) => entry.kind === 'record' && entry.transaction === 'open')
    for (const entry of open) if (entry.kind === 'record') entry.transaction = outcome
    if (open.length > 0) entries.push({ kind: 'marker' })
  }

  /** Deletes the records before the offset, as retention does. */
  expire(partition: number, before: number): void {
    const one = this.#partitions[partition]!
    one.start = Math.max(one.start, Math.min(before, this.#stableEnd(partition)))
  }

  /** Every readable record, including records that retention deleted. */
  readable(partition: number): InputRecord[] {
    return this.#partitions[partition]!.entries.flatMap((entry) =>
      entry.kind === 'record' && entry.transaction === 'committed' ? [entry.record] : [],
    )
  }

  /** Last stable offset. */
  stableEndOf(partition: number): bigint {
    return BigInt(this.#stableEnd(partition))
  }

  startOf(partition: number): bigint {
    return BigInt(this.#partitions[partition]!.start)
  }

  get reader(): TopicReader {
    return {
      topic: this.#name,
      offsets: () => Promise.reject(new Error('not in this model')),
      readToEnd: () => Promise.reject(new Error('not in this model')),
      stableOffsets: () =>
        Promise.resolve(
          new Map(
            this.#partitions.map(({ start }, partition) => [
              partition,
              { start: BigInt(start), end: BigInt(this.#stableEnd(partition)) },
            ]),
          ),
        ),
      readRange: async ({ partition, from, end }, onRecord) => {
        const start = this.startOf(partition)
        const stableEnd = BigInt(this.#stableEnd(partition))
        const last = end < stableEnd ? end : stableEnd
        for (const record of this.readable(partition)) {
          if (record.offset < from || record.offset < start || record.offset >= last) continue
          if (!(await onRecord(record))) return record.offset + 1n
        }
        return end
      },
      close: () => Promise.resolve(),
    }
  }

  #stableEnd(partition: number): number {
    const { entries } = this.#partitions[partition]!
    const open = entries.findIndex((entry) => entry.kind === 'record' && entry.transaction === 'open')
    return open < 0 ? entries.length : open
  }
}
