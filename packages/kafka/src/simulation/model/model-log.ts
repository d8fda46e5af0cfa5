/** Error names of broker responses, as in kafkajs. */
export type ErrorName =
  | 'NOT_ENOUGH_REPLICAS'
  | 'NOT_LEADER_FOR_PARTITION'
  | 'INVALID_PRODUCER_EPOCH'
  | 'INVALID_PRODUCER_ID_MAPPING'
  | 'PRODUCER_FENCED'
  | 'INVALID_REQUEST'
  | 'INVALID_TXN_STATE'
  | 'CONCURRENT_TRANSACTIONS'
  | 'TRANSACTION_COORDINATOR_FENCED'
  | 'TRANSACTIONAL_ID_NOT_FOUND'

/** A response with an error code. */
export class BrokerError extends Error {
  override readonly name = 'BrokerError'
  readonly type: ErrorName

  constructor(type: ErrorName) {
    super(type)
    this.type = type
  }
}

export type Outcome = 'commit' | 'abort'

export interface Marker {
  readonly producerId: number
  readonly epoch: number
  readonly coordinatorEpoch: number
  readonly outcome: Outcome
}

/** Producer id of records that are not transactional. */
const NO_PRODUCER = -1

interface DataEntry {
  readonly kind: 'data'
  readonly producerId: number
  readonly epoch: number
  readonly value: string
}

interface MarkerEntry {
  readonly kind: 'marker'
  readonly producerId: number
  readonly epoch: number
  readonly outcome: Outcome
}

/** A leader's state of one producer. */
export interface ProducerEntry {
  readonly producerId: number
  epoch: number
  coordinatorEpoch: number
  /** First offset of its open transaction. */
  openFrom: number | undefined
}

export interface VisibleRecord {
  readonly offset: number
  readonly value: string
}

/** One partition of transactional data, with the rules of `ProducerAppendInfo` and read_committed. */
export class ModelLog {
  readonly topic: string
  readonly partition: number
  readonly #entries: (DataEntry | MarkerEntry)[] = []
  readonly #producers = new Map<number, ProducerEntry>()
  /** True while all replicas are down: requests fail and the coordinator omits markers. Written data remains. */
  isLeaderless = false

  constructor(topic: string, partition: number) {
    this.topic = topic
    this.partition = partition
  }

  get name(): string {
    return `${this.topic}/${this.partition}`
  }

  get end(): number {
    return this.#entries.length
  }

  /** Sorted by producer id. */
  get producers(): readonly ProducerEntry[] {
    return [...this.#producers.values()].sort((a, b) => a.producerId - b.producerId)
  }

  get openOnes(): readonly ProducerEntry[] {
    return this.producers.filter(({ openFrom }) => openFrom !== undefined)
  }

  isOpen(producerId: number): boolean {
    return this.#producers.get(producerId)?.openFrom !== undefined
  }

  /** Values that the open transaction of a producer wrote. */
  openValues(producerId: number): readonly string[] {
    const openFrom = this.#producers.get(producerId)?.openFrom
    return openFrom === undefined ? [] : this.#dataOf(producerId, openFrom).map(({ value }) => value)
  }

  requireEpoch(producerId: number, epoch: number): void {
    if (epoch < (this.#producers.get(producerId)?.epoch ?? -1)) {
      throw new BrokerError('INVALID_PRODUCER_EPOCH')
    }
  }

  requireLeader(): void {
    if (this.isLeaderless) throw new BrokerError('NOT_LEADER_FOR_PARTITION')
  }

  /** Returns the first offset. The caller must check with the coordinator first. */
  append(producerId: number, epoch: number, values: readonly string[]): number {
    this.requireLeader()
    const entry = this.#entryOf(producerId, epoch)
    const first = this.#entries.length
    entry.epoch = epoch
    entry.openFrom ??= first
    for (const value of values) this.#entries.push({ kind: 'data', producerId, epoch, value })
    return first
  }

  /** Appends outside a transaction. The record is readable immediately. */
  appendPlain(value: string): void {
    this.#entries.push({ kind: 'data', producerId: NO_PRODUCER, epoch: 0, value })
  }

  /** Removes the records from `end` on, and the leader's state of their producers. */
  truncate(end: number): void {
    this.#entries.length = Math.max(0, Math.min(end, this.#entries.length))
    this.#producers.clear()
    this.#entries.forEach((entry, offset) => {
      if (entry.producerId === NO_PRODUCER) return
      const { producerId, epoch } = entry
      const known = this.#producers.get(producerId)
      const openFrom = entry.kind === 'marker' ? undefined : (known?.openFrom ?? offset)
      const coordinatorEpoch = known?.coordinatorEpoch ?? -1
      this.#producers.set(producerId, { producerId, epoch, coordinatorEpoch, openFrom })
    })
  }

  /** Offsets after a marker, where a cut keeps whole transactions. */
  get cuts(): readonly number[] {
    return this.#entries.flatMap(({ kind }, offset) => (kind === 'marker' ? [offset + 1] : []))
  }

  /**
   * Returns the records of the ended transaction. `isStrict`: a marker of transaction version 2, whose epoch must
   * exceed that of the data.
   */
  writeMarker(
    { producerId, epoch, coordinatorEpoch, outcome }: Marker,
    isStrict = false,
  ): readonly VisibleRecord[] {
    this.requireLeader()
    const entry = this.#entryOf(producerId, epoch)
    if (isStrict && epoch === entry.epoch && entry.openFrom !== undefined) {
      throw new BrokerError('INVALID_PRODUCER_EPOCH')
    }
    if (entry.coordinatorEpoch > coordinatorEpoch) throw new BrokerError('TRANSACTION_COORDINATOR_FENCED')
    const ended = entry.openFrom === undefined ? [] : this.#dataOf(producerId, entry.openFrom)
    this.#entries.push({ kind: 'marker', producerId, epoch, outcome })
    entry.epoch = epoch
    entry.coordinatorEpoch = coordinatorEpoch
    entry.openFrom = undefined
    return ended
  }

  #entryOf(producerId: number, epoch: number): ProducerEntry {
    this.requireEpoch(producerId, epoch)
    const known = this.#producers.get(producerId)
    if (known !== undefined) return known
    const entry = { producerId, epoch, coordinatorEpoch: -1, openFrom: undefined }
    this.#producers.set(producerId, entry)
    return entry
  }

  #dataOf(producerId: number, from: number): VisibleRecord[] {
    const found: VisibleRecord[] = []
    this.#entries.forEach((entry, offset) => {
      if (offset >= from && entry.kind === 'data' && entry.producerId === producerId) {
        found.push({ offset, value: entry.value })
      }
    })
    return found
  }

  /** All transactions below it have ended. */
  get lastStableOffset(): number {
    return Math.min(this.end, ...this.openOnes.map(({ openFrom }) => openFrom!))
  }

  /** The records from offset `from` on that read_committed returns. */
  visible(from = 0): VisibleRecord[] {
    const found: VisibleRecord[] = []
    const open = new Map<number, VisibleRecord[]>()
    this.#entries.forEach((entry, offset) => {
      const { producerId } = entry
      if (producerId === NO_PRODUCER && entry.kind === 'data') {
        found.push({ offset, value: entry.value })
      } else if (entry.kind === 'data') {
        const list = open.get(producerId) ?? []
        list.push({ offset, value: entry.value })
        open.set(producerId, list)
      } else {
        if (entry.outcome === 'commit') found.push(...(open.get(producerId) ?? []))
        open.delete(producerId)
      }
    })
    const stable = this.lastStableOffset
    return found.filter(({ offset }) => offset >= from && offset < stable).sort((a, b) => a.offset - b.offset)
  }

  /** For the report of a fault. */
  describe(): string {
    const entries = this.#entries.map((entry, offset) =>
      entry.kind === 'data'
        ? `${offset}:${entry.value}@${entry.epoch}`
        : `${offset}:${entry.outcome.toUpperCase()}@${entry.epoch}`,
    )
    const open = this.openOnes.map(({ openFrom, epoch }) => `open from ${openFrom!} at epoch ${epoch}`)
    return `${this.name}: ${[...entries, ...open].join(' ')}`
  }
}
