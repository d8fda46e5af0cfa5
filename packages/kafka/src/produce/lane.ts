import { backOffMs, type WireRecord } from '@weir/contracts'

/**
 * Why a record was not acknowledged. full: the queue has reached its limit. deadline: no result in time. broker: a
 * broker rejected it. too_large: above the limit of the topic. closed: the lanes are closed. partitions: the topic has
 * another partition count. After `deadline` and `broker` the record may still be on the topic.
 */
export type LaneErrorKind = 'full' | 'deadline' | 'broker' | 'too_large' | 'closed' | 'partitions'

export class LaneError extends Error {
  override readonly name = 'LaneError'
  readonly kind: LaneErrorKind

  constructor(kind: LaneErrorKind, message: string) {
    super(message)
    this.kind = kind
  }
}

export interface QueuedRecord {
  readonly record: WireRecord
  readonly bytes: number
  /** On the clock of `performance.now()`, ms. */
  readonly deadlineAt: number
  /** Consecutive records of one call share a group. They are sent together as far as the limits of a send allow. */
  readonly group?: object
  readonly resolve: () => void
  readonly reject: (error: LaneError) => void
  /** Frees the queue space. Called once, when no send holds the record. */
  readonly release: () => void
}

export interface LaneOptions {
  readonly lingerMs: number
  readonly batchRecordsMax: number
  readonly batchBytesMax: number
  /** `isAlone`: the send has one record and cannot be split. */
  readonly send: (
    entries: readonly QueuedRecord[],
    isAlone: boolean,
  ) => Promise<undefined | 'retry' | 'split' | LaneError>
}

const BACK_OFF = { firstMs: 50, maxMs: 1_000 }

/**
 * Sends the records of one partition in order, one send at a time. Records that arrive meanwhile join the next send.
 */
export class Lane {
  readonly #options: LaneOptions
  /** Ordered by deadline. */
  #waiting: QueuedRecord[] = []
  #flying: readonly QueuedRecord[] = []
  /** Number of records in flight, from the first, that were already rejected. */
  #lateFlying = 0
  #waitingBytes = 0
  #timer: NodeJS.Timeout | undefined
  #failures = 0
  #drainers: (() => void)[] = []

  constructor(options: LaneOptions) {
    this.#options = options
  }

  add(...entries: readonly QueuedRecord[]): void {
    for (const entry of entries) {
      this.#waiting.push(entry)
      this.#waitingBytes += entry.bytes
    }
    if (this.#flying.length > 0) return
    const { batchRecordsMax, batchBytesMax, lingerMs } = this.#options
    if (
      this.#failures === 0 &&
      (this.#waiting.length >= batchRecordsMax || this.#waitingBytes >= batchBytesMax)
    ) {
      this.#flush()
    } else {
      this.#flushAfter(lingerMs)
    }
  }

  /** Rejects records whose deadline has passed. Records in flight may still reach the topic. */
  expire(now: number): void {
    for (let entry = this.#flying[this.#lateFlying]; entry !== undefined && entry.deadlineAt <= now;) {
      entry.reject(late())
      this.#lateFlying += 1
      entry = this.#flying[this.#lateFlying]
    }
    const end = this.#waiting.findIndex(({ deadlineAt }) => deadlineAt > now)
    const expired = this.#waiting.splice(0, end < 0 ? this.#waiting.length : end)
    for (const entry of expired) this.#settle(entry, late())
    if (expired.length > 0) this.#checkDrained()
  }

  /** Resolves once no record is waiting or in flight. */
  drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#drainers.push(resolve)
      this.#checkDrained()
    })
  }

  #flushAfter(ms: number): void {
    this.#timer ??= setTimeout(() => this.#flush(), ms)
  }

  #flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#flying.length > 0 || this.#waiting.length === 0) return
    this.#flying = this.#waiting.splice(0, this.#nextCount())
    for (const entry of this.#flying) this.#waitingBytes -= entry.bytes
    void this.#send()
  }

  /**
   * How many of those that wait fly next: as many as the bounds allow, and no part of a group that fits whole into the
   * next send.
   */
  #nextCount(): number {
    const { batchRecordsMax, batchBytesMax } = this.#options
    const waiting = this.#waiting
    let bytes = 0
    let groupStart = 0
    for (let at = 0; at < waiting.length; at++) {
      const { bytes: own, group } = waiting[at]!
      bytes += own
      if (group === undefined || group !== waiting[at - 1]?.group) groupStart = at
      if (at === batchRecordsMax || (at > 0 && bytes > batchBytesMax)) return groupStart > 0 ? groupStart : at
    }
    return waiting.length
  }

  async #send(): Promise<void> {
    const again = await this.#deliver(this.#flying)
    this.#flying = []
    this.#lateFlying = 0
    this.#wait(again)
    if (this.#failures > 0) {
      this.#flushAfter(backOffMs(this.#failures, BACK_OFF))
    } else if (this.#waiting.length > 0) {
      // What has come while the last send flew has waited enough.
      this.#flush()
    }
    this.#checkDrained()
  }

  /** Sends, in halves where the broker takes no more; what has to be sent again, in order. */
  async #deliver(entries: readonly QueuedRecord[]): Promise<readonly QueuedRecord[]> {
    const isAlone = entries.length === 1
    const result = await this.#options.send(entries, isAlone)
    if (result === 'split' && !isAlone) {
      const half = entries.length >> 1
      const again = await this.#deliver(entries.slice(0, half))
      // Behind what failed, not past it.
      return again.length > 0 ? [...again, ...entries.slice(half)] : this.#deliver(entries.slice(half))
    }
    if (result === 'retry' || result === 'split') {
      this.#failures += 1
      return entries
    }
    this.#failures = 0
    for (const entry of entries) this.#settle(entry, result, 0)
    return []
  }

  /** Puts back what must be sent again and still has time. */
  #wait(entries: readonly QueuedRecord[]): void {
    const now = performance.now()
    const again = entries.filter((entry) => entry.deadlineAt > now)
    for (const entry of entries) {
      if (entry.deadlineAt <= now) this.#settle(entry, late(), 0)
    }
    this.#waiting.unshift(...again)
    for (const entry of again) this.#waitingBytes += entry.bytes
  }

  #settle(entry: QueuedRecord, error: LaneError | undefined, waitingBytes = entry.bytes): void {
    this.#waitingBytes -= waitingBytes
    entry.release()
    if (error) entry.reject(error)
    else entry.resolve()
  }

  #checkDrained(): void {
    if (this.#flying.length > 0 || this.#waiting.length > 0) return
    for (const resolve of this.#drainers.splice(0)) resolve()
  }
}

const late = (): LaneError => new LaneError('deadline', 'no acknowledgement in time')
