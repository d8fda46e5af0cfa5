import type { FetchedPartition } from './fetch-records.ts'
import { bytesOf } from '../protocol/encoded-record.ts'
import type { InputRecord } from '../protocol/record.ts'

export interface Take {
  readonly records: readonly InputRecord[]
  /** The position after these records, trailing control markers included. */
  readonly nextOffset: bigint
}

/**
 * Fetched records of one topic-partition that were not taken yet. Bounded: the prefetcher skips a queue that holds
 * `bytesMax`, so at most that much and one more response wait.
 */
export class PrefetchQueue {
  readonly topic: string
  readonly partition: number
  readonly #bytesMax: number
  readonly #onChange: () => void
  #chunks: { records: readonly InputRecord[]; taken: number; nextOffset: bigint; bytes: number }[] = []
  #bytes = 0
  #records = 0
  #fetchOffset: bigint
  #highWatermark: bigint
  #error: Error | undefined

  constructor(options: {
    topic: string
    partition: number
    offset: bigint
    highWatermark: bigint
    bytesMax: number
    /** Called when there are more records, or when the queue failed. */
    onChange: () => void
  }) {
    this.topic = options.topic
    this.partition = options.partition
    this.#fetchOffset = options.offset
    this.#highWatermark = options.highWatermark
    this.#bytesMax = options.bytesMax
    this.#onChange = options.onChange
  }

  get fetchOffset(): bigint {
    return this.#fetchOffset
  }

  get isFull(): boolean {
    return this.#bytes >= this.#bytesMax
  }

  get recordCount(): number {
    return this.#records
  }

  get byteCount(): number {
    return this.#bytes
  }

  /** True when everything up to the known high watermark was fetched. */
  get isCaughtUp(): boolean {
    return this.#fetchOffset >= this.#highWatermark
  }

  get highWatermark(): bigint {
    return this.#highWatermark
  }

  /** The error that stopped the queue, if any. */
  get error(): Error | undefined {
    return this.#error
  }

  /**
   * Ignores a response to any other offset than the current one: while a leader moves, the old and the new leader may
   * both respond.
   */
  push({ offset, records, nextOffset, highWatermark }: FetchedPartition): void {
    if (offset !== this.#fetchOffset) return
    this.#highWatermark = highWatermark
    if (nextOffset > offset) {
      this.#fetchOffset = nextOffset
      const last = this.#chunks.at(-1)
      if (records.length > 0) {
        const bytes = records.reduce((sum, record) => sum + bytesOf(record), 0)
        this.#chunks.push({ records, taken: 0, nextOffset, bytes })
        this.#bytes += bytes
        this.#records += records.length
      } else if (last) {
        last.nextOffset = nextOffset
      }
    }
    this.#onChange()
  }

  fail(error: Error): void {
    this.#error = error
    this.#onChange()
  }

  /**
   * Takes up to `recordsMax` records with up to `bytesMax` bytes of values, but at least one record. `nextOffset` also
   * advances when only control markers came.
   */
  take(recordsMax: number, bytesMax: number): Take {
    const records: InputRecord[] = []
    let bytes = 0
    /** Undefined: the offset after the last record taken. */
    let nextOffset: bigint | undefined = this.#fetchOffset
    for (let chunk = this.#chunks[0]; chunk !== undefined; chunk = this.#chunks[0]) {
      while (chunk.taken < chunk.records.length) {
        const record = chunk.records[chunk.taken]!
        bytes += record.value?.length ?? 0
        if (records.length === recordsMax || (records.length > 0 && bytes > bytesMax)) {
          return { records, nextOffset: nextOffset ?? records.at(-1)!.offset + 1n }
        }
        records.push(record)
        nextOffset = undefined
        chunk.taken += 1
        this.#records -= 1
      }
      nextOffset = chunk.nextOffset
      this.#bytes -= chunk.bytes
      this.#chunks.shift()
    }
    return { records, nextOffset }
  }
}
