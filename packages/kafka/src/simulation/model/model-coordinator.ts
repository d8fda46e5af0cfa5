import { BrokerError, type ModelLog, type Outcome } from './model-log.ts'

export type CoordinatorState =
  'Empty' | 'Ongoing' | 'PrepareCommit' | 'PrepareAbort' | 'CompleteCommit' | 'CompleteAbort'

/**
 * Behaviour of a broker when the coordinator itself aborts a transaction (fence or timeout). Both rules raise the epoch
 * by one.
 */
export type AbortRule =
  /**
   * Since transaction version 2 (the default since 4.0). The epoch grows when the abort is recorded. The old epoch
   * becomes the last epoch, so a swap from it counts as a repeat.
   */
  | 'remembers-epoch'
  /** Earlier versions, and `transaction.version` 0 or 1. The epoch grows before the abort is recorded. */
  | 'forgets-epoch'

export interface Described {
  readonly state: CoordinatorState
  readonly producerId: number
  readonly epoch: number
  readonly timeoutMs: number
  readonly startedAt: number
  readonly partitions: readonly string[]
}

export const NONE = -1
const EPOCH_MAX = 32_766

/** One transactional id at its coordinator, with the rules of `TransactionCoordinator` and `TransactionMetadata`. */
export class ModelTransaction {
  readonly #rule: AbortRule
  readonly #newProducerId: () => number
  readonly #log: (name: string) => ModelLog
  #state: CoordinatorState = 'Empty'
  #producerId: number
  #epoch: number
  #lastProducerId = NONE
  #lastEpoch = NONE
  #timeoutMs = 0
  #startedAt = NONE
  /** Partitions of the transaction. While it is being ended: partitions that still need a marker. */
  #partitions = new Set<string>()
  /** The partitions recorded with the decision. */
  #prepared: ReadonlySet<string> = new Set()
  #coordinatorEpoch = 0
  /** True if its markers follow the rules of transaction version 2. */
  #isStrict = false
  #hasGivenUp = false
  #isFencing = false

  constructor(options: {
    rule: AbortRule
    newProducerId: () => number
    log: (name: string) => ModelLog
    /** The epoch before the first one to be issued. */
    epoch: number
  }) {
    this.#epoch = options.epoch
    this.#rule = options.rule
    this.#newProducerId = options.newProducerId
    this.#log = options.log
    this.#producerId = options.newProducerId()
  }

  describe(): Described {
    return {
      state: this.#state,
      producerId: this.#producerId,
      epoch: this.#epoch,
      timeoutMs: this.#timeoutMs,
      startedAt: this.#startedAt,
      partitions: [...this.#partitions].sort(),
    }
  }

  /** The complete state except times. */
  fingerprint(): string {
    const { state, producerId, epoch, timeoutMs, partitions } = this.describe()
    return [
      state,
      producerId,
      epoch,
      timeoutMs,
      ...partitions,
      this.#lastProducerId,
      this.#lastEpoch,
      this.#coordinatorEpoch,
      this.#isStrict,
      this.#hasGivenUp,
      this.#isFencing,
    ].join()
  }

  init(
    timeoutMs: number,
    expected?: { readonly producerId: number; readonly epoch: number },
  ): { readonly producerId: number; readonly epoch: number } {
    if (expected !== undefined && expected.epoch < 0) throw new BrokerError('INVALID_REQUEST')
    if (expected !== undefined && !this.#isKnown(expected)) throw new BrokerError('PRODUCER_FENCED')
    if (this.#isBusy) throw new BrokerError('CONCURRENT_TRANSACTIONS')
    if (this.#state === 'Ongoing') {
      this.#abortByItself()
      throw new BrokerError('CONCURRENT_TRANSACTIONS')
    }
    const isExhausted = this.#epoch >= EPOCH_MAX
    if (isExhausted && (expected === undefined || expected.epoch === this.#epoch)) {
      this.#lastProducerId = this.#producerId
      this.#lastEpoch = expected === undefined ? NONE : this.#epoch
      this.#producerId = this.#newProducerId()
      this.#epoch = 0
    } else if (expected === undefined) {
      this.#epoch += 1
      this.#lastEpoch = NONE
    } else if (this.#epoch === NONE || expected.epoch === this.#epoch) {
      this.#lastEpoch = this.#epoch
      this.#epoch += 1
    } else if (expected.epoch !== this.#lastEpoch) {
      throw new BrokerError('PRODUCER_FENCED')
    }
    this.#state = 'Empty'
    this.#timeoutMs = timeoutMs
    this.#startedAt = NONE
    this.#partitions = new Set()
    return { producerId: this.#producerId, epoch: this.#epoch }
  }

  get #isBusy(): boolean {
    return this.#isFencing || this.#state.startsWith('Prepare')
  }

  #isKnown({ producerId, epoch }: { readonly producerId: number; readonly epoch: number }): boolean {
    return (
      this.#epoch === NONE ||
      producerId === this.#producerId ||
      (producerId === this.#lastProducerId && epoch >= EPOCH_MAX)
    )
  }

  addPartitions(producerId: number, epoch: number, partitions: readonly string[], now: number): void {
    if (this.#isBusy) throw new BrokerError('CONCURRENT_TRANSACTIONS')
    this.#requireEpoch(producerId, epoch)
    if (this.#state !== 'Ongoing') {
      this.#state = 'Ongoing'
      this.#startedAt = now
      this.#partitions = new Set()
    }
    for (const partition of partitions) this.#partitions.add(partition)
  }

  /** Request of a leader before the first record of a transaction (KIP-890, part 1). */
  verify(producerId: number, epoch: number, partition: string): void {
    this.#requireEpoch(producerId, epoch)
    if (this.#state.startsWith('Prepare')) throw new BrokerError('CONCURRENT_TRANSACTIONS')
    if (!this.#partitions.has(partition)) throw new BrokerError('INVALID_TXN_STATE')
  }

  /** Request of a client. */
  end(producerId: number, epoch: number, outcome: Outcome): void {
    this.#requireEpoch(producerId, epoch)
    const complete = outcome === 'commit' ? 'CompleteCommit' : 'CompleteAbort'
    if (this.#state === complete) return
    if (this.#isBusy) throw new BrokerError('CONCURRENT_TRANSACTIONS')
    if (this.#state !== 'Ongoing') throw new BrokerError('INVALID_TXN_STATE')
    this.#state = outcome === 'commit' ? 'PrepareCommit' : 'PrepareAbort'
    this.#prepared = new Set(this.#partitions)
  }

  #requireEpoch(producerId: number, epoch: number): void {
    if (producerId !== this.#producerId) throw new BrokerError('INVALID_PRODUCER_ID_MAPPING')
    // Newer versions of these requests, which kafkajs does not use, return PRODUCER_FENCED.
    if (epoch !== this.#epoch) throw new BrokerError('INVALID_PRODUCER_EPOCH')
  }

  #abortByItself(): void {
    this.#isFencing = true
    if (this.#rule === 'forgets-epoch') this.#raiseEpoch(NONE)
  }

  #raiseEpoch(lastEpoch: number): void {
    this.#lastEpoch = lastEpoch
    this.#epoch += 1
  }

  /** True while the decision to abort is being recorded. The state is still `Ongoing`. */
  get isFencing(): boolean {
    return this.#isFencing
  }

  noteFence(): void {
    this.#isFencing = false
    if (this.#rule === 'remembers-epoch') this.#raiseEpoch(this.#epoch)
    this.#state = 'PrepareAbort'
    this.#prepared = new Set(this.#partitions)
    this.#isStrict = this.#rule === 'remembers-epoch'
  }

  abortTimedOut(): void {
    this.#abortByItself()
  }

  get timesOutAt(): number | undefined {
    return this.#state === 'Ongoing' && !this.#isFencing ? this.#startedAt + this.#timeoutMs : undefined
  }

  /** Partitions that still need a marker. */
  get unmarked(): readonly string[] {
    return this.#state.startsWith('Prepare') && !this.#hasGivenUp ? [...this.#partitions].sort() : []
  }

  /** True when all markers are written or omitted and only the end must be recorded. */
  get isEnding(): boolean {
    return this.#state.startsWith('Prepare') && !this.#hasGivenUp && this.#partitions.size === 0
  }

  /**
   * Writes one marker. Omits it when the partition has no leader ("likely deleted already and hence can be skipped").
   */
  mark(name: string): 'written' | 'left out' | 'refused' {
    const log = this.#log(name)
    if (log.isLeaderless) {
      this.#partitions.delete(name)
      return 'left out'
    }
    const marker = {
      producerId: this.#producerId,
      epoch: this.#epoch,
      coordinatorEpoch: this.#coordinatorEpoch,
      outcome: this.#state === 'PrepareCommit' ? ('commit' as const) : ('abort' as const),
    }
    try {
      log.writeMarker(marker, this.#isStrict)
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error
      // After a partition reports a newer epoch, a coordinator ignores this transaction until it is loaded again.
      this.#hasGivenUp = true
      return 'refused'
    }
    this.#partitions.delete(name)
    return 'written'
  }

  complete(): void {
    this.#state = this.#state === 'PrepareCommit' ? 'CompleteCommit' : 'CompleteAbort'
    this.#isStrict = false
  }

  /** Another broker becomes the coordinator and loads the log. It sends all markers of a prepared transaction again. */
  reload(): void {
    this.#coordinatorEpoch += 1
    this.#hasGivenUp = false
    if (this.#state.startsWith('Prepare')) this.#partitions = new Set(this.#prepared)
  }
}
