import { systemClock, type Clock } from '../client/clock.ts'
import type { Prefetcher } from '../read/prefetcher.ts'
import type { PrefetchQueue, Take } from '../read/prefetch-queue.ts'

/** An input topic of one partition number. */
export interface Input {
  readonly queue: PrefetchQueue
  /** Committed position. */
  readonly position: bigint
  /** Metadata that was committed with the position. */
  readonly metadata: string
}

export interface TakenBatch extends Take {
  readonly input: Input
}

/** Fetches records for the queues that were added. */
export type Feed = Pick<Prefetcher, 'add' | 'remove'>

/** How long a position that only control markers moved stays uncommitted, ms. */
const IDLE_COMMIT_MS = 500

/** Takes batches from the input topics of one partition number in turn. */
export class TaskInputs {
  readonly #batch: { readonly recordsMax: number; readonly bytesMax: number; readonly lingerMs: number }
  readonly #fetcher: Feed
  readonly #clock: Clock
  readonly #signal: AbortSignal
  readonly #onLag: (topic: string, records: number) => void
  readonly #inputs: { queue: PrefetchQueue; position: bigint; metadata: string }[] = []
  #turn = 0
  #wake: (() => void) | undefined
  #error: Error | undefined

  constructor(options: {
    batch: { readonly recordsMax: number; readonly bytesMax: number; readonly lingerMs: number }
    fetcher: Feed
    clock?: Clock
    signal: AbortSignal
    onLag: (topic: string, records: number) => void
  }) {
    this.#batch = options.batch
    this.#fetcher = options.fetcher
    this.#clock = options.clock ?? systemClock
    this.#signal = options.signal
    this.#onLag = options.onLag
    options.signal.addEventListener('abort', this.#notify)
  }

  add(queue: PrefetchQueue, metadata: string): void {
    this.#inputs.push({ queue, position: queue.fetchOffset, metadata })
    this.#fetcher.add(queue)
  }

  /** Called when the queue of a topic has more records or has failed. */
  changed(topic: string): void {
    const input = this.#inputs.find(({ queue }) => queue.topic === topic)
    if (input) this.#reportLag(input)
    this.#notify()
  }

  committed(input: Input, position: bigint, metadata: string): void {
    const own = this.#inputs.find((one) => one === input)!
    own.position = position
    own.metadata = metadata
    this.#reportLag(own)
  }

  /** Makes `next` reject with this error. */
  fail(error: Error): void {
    this.#error = error
    this.#notify()
  }

  /**
   * The next batch, as large as the backlog and the limits allow; without records when only control markers came.
   * Undefined once the partition is released. Rejects when a queue has failed or `fail` was called.
   */
  async next(): Promise<TakenBatch | undefined> {
    const { recordsMax, bytesMax, lingerMs } = this.#batch
    const startedAt = this.#clock.now()
    let lingerUntil: number | undefined
    while (!this.#signal.aborted) {
      if (this.#error !== undefined) throw this.#error
      const now = this.#clock.now()
      const input = this.#pick()
      if (input !== undefined) {
        lingerUntil ??= now + lingerMs
        const { queue } = input
        const isEnough = queue.recordCount >= recordsMax || queue.byteCount >= bytesMax || queue.isFull
        if (isEnough || now >= lingerUntil) return this.#take(input)
        await this.#waitForChange(lingerUntil - now)
        continue
      }
      const trailing = this.#inputs.find(({ queue, position }) => queue.fetchOffset > position)
      const idleMs = now - startedAt
      if (trailing && idleMs >= IDLE_COMMIT_MS) return this.#take(trailing)
      await this.#waitForChange(trailing && IDLE_COMMIT_MS - idleMs)
    }
    return undefined
  }

  close(): void {
    this.#signal.removeEventListener('abort', this.#notify)
    for (const { queue } of this.#inputs) this.#fetcher.remove(queue)
  }

  #pick(): Input | undefined {
    for (let i = 0; i < this.#inputs.length; i++) {
      const index = (this.#turn + i) % this.#inputs.length
      const input = this.#inputs[index]!
      if (input.queue.recordCount > 0) return input
      if (input.queue.error !== undefined) throw input.queue.error
    }
    return undefined
  }

  #take(input: Input): TakenBatch {
    this.#turn = (this.#inputs.indexOf(input) + 1) % this.#inputs.length
    const { records, nextOffset } = input.queue.take(this.#batch.recordsMax, this.#batch.bytesMax)
    return { input, records, nextOffset }
  }

  #reportLag({ queue, position }: Input): void {
    const records = queue.highWatermark - position
    this.#onLag(queue.topic, records > 0n ? Number(records) : 0)
  }

  readonly #notify = (): void => {
    this.#wake?.()
  }

  #waitForChange(ms: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#wake = undefined
        cancel?.()
        resolve()
      }
      const cancel = ms === undefined ? undefined : this.#clock.timer(ms, done)
      this.#wake = done
    })
  }
}
