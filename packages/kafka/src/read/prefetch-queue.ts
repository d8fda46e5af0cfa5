import type { FetchedPartition } from './fetch-records.ts'
import { bytesOf } from '../protocol/encoded-record.ts'
import type { InputRecord } from '../protocol/record.ts'

export interface Take {
  readonly records: readonly InputRecord[]
  /** The position after these records, trailing control markers included. */
  readonly nextOffset: bigint
}

/**
 * What was fetched ahead of one topic-partition and not taken yet. Bounded: the fetcher leaves out a queue that
 * holds `bytesMax`, so at most that and one more response wait.
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
    /** Called when there is more to take, or the queue failed. */
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

  /** No more is known to be in the log than what was fetched. */
  get isCaughtUp(): boolean {
    return this.#fetchOffset >= this.#highWatermark
  }

  get highWatermark(): bigint {
    return this.#highWatermark
  }

  /** Why no more will come. */
  get error(): Error | undefined {
    return this.#error
  }

  /**
   * Only an answer to what is asked for now counts: while a leader moves, the old one and the new one may both answer.
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
   * Takes up to `recordsMax` records and, but for the first, `bytesMax` value bytes. `nextOffset` moves on even when
   * none are there.
   */
  take(recordsMax: number, bytesMax: number): Take {
    const records: InputRecord[] = []
    let bytes = 0
    /** Undefined: the last record's next one. */
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
