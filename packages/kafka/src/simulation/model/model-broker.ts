import { ModelTransaction, NONE, type AbortRule, type Described } from './model-coordinator.ts'
import { BrokerError, ModelLog, type Marker, type Outcome, type ProducerEntry } from './model-log.ts'

export interface ModelOffset {
  readonly offset: number
  readonly metadata: string
}

interface Producer {
  readonly transactionalId: string
  readonly producerId: number
  readonly epoch: number
}

export const OFFSETS = '__consumer_offsets/0'

/**
 * A model of a cluster for transactions. Each method is one request, carried out atomically. Group requests are in
 * `FakeGroup`. The caller supplies the time.
 */
export class ModelBroker {
  readonly #rule: AbortRule
  readonly #epochBefore: number
  readonly #logs = new Map<string, ModelLog>()
  readonly #transactions = new Map<string, ModelTransaction>()
  readonly #offsets = new Map<string, ModelOffset>()
  #producerIds = 1_000
  now: () => number

  /** `partitions`: names such as `topic/0`. */
  constructor(options: {
    rule: AbortRule
    partitions: readonly string[]
    now: () => number
    /** Simulates an id in long use: its next epoch follows this one. */
    epochBefore?: number | undefined
  }) {
    this.#rule = options.rule
    this.#epochBefore = options.epochBefore ?? NONE
    this.now = options.now
    for (const name of [...options.partitions, OFFSETS]) {
      const [topic, partition] = name.split('/')
      this.#logs.set(name, new ModelLog(topic!, Number(partition)))
    }
  }

  get logs(): readonly ModelLog[] {
    return [...this.#logs.values()]
  }

  get transactions(): ReadonlyMap<string, ModelTransaction> {
    return this.#transactions
  }

  fingerprint(): string {
    const logs = this.logs.map((log) => `${log.describe()} ${log.isLeaderless}`)
    const transactions = [...this.#transactions.values()].map((one) => one.fingerprint())
    return [...logs, ...transactions, JSON.stringify([...this.#offsets])].join('\n')
  }

  log(name: string): ModelLog {
    const found = this.#logs.get(name)
    if (found === undefined) throw new RangeError(`no partition ${name}`)
    return found
  }

  initProducerId(
    transactionalId: string,
    timeoutMs: number,
    expected?: { readonly producerId: number; readonly epoch: number },
  ): { readonly producerId: number; readonly epoch: number } {
    let transaction = this.#transactions.get(transactionalId)
    if (transaction === undefined) {
      transaction = new ModelTransaction({
        rule: this.#rule,
        newProducerId: () => this.#producerIds++,
        log: (name) => this.log(name),
        epoch: this.#epochBefore,
      })
      this.#transactions.set(transactionalId, transaction)
    }
    return transaction.init(timeoutMs, expected)
  }

  describeTransaction(transactionalId: string): Described {
    const transaction = this.#transactions.get(transactionalId)
    if (transaction === undefined) throw new BrokerError('TRANSACTIONAL_ID_NOT_FOUND')
    return transaction.describe()
  }

  addPartitions({ transactionalId, producerId, epoch }: Producer, partitions: readonly string[]): void {
    this.#transaction(transactionalId).addPartitions(producerId, epoch, partitions, this.now())
  }

  produce(producer: Producer, name: string, values: readonly string[]): number {
    const log = this.log(name)
    try {
      this.#verify(producer, log)
    } catch (error) {
      if (!(error instanceof BrokerError) || error.type !== 'CONCURRENT_TRANSACTIONS') throw error
      // The error of the request version that kafkajs uses.
      throw new BrokerError('NOT_ENOUGH_REPLICAS')
    }
    return log.append(producer.producerId, producer.epoch, values)
  }

  commitOffsets(producer: Producer, group: string, offsets: Readonly<Record<string, ModelOffset>>): void {
    const log = this.log(OFFSETS)
    this.#verify(producer, log)
    const values = Object.entries(offsets).map(([partition, one]) =>
      JSON.stringify([group, partition, one] satisfies PendingOffset),
    )
    log.append(producer.producerId, producer.epoch, values)
  }

  /** Commits outside any transaction. */
  commitPlainOffset(group: string, partition: string, one: ModelOffset): void {
    this.log(OFFSETS).requireLeader()
    this.#offsets.set(`${group} ${partition}`, one)
  }

  /** Does not wait for open transactions, like OffsetFetch before version 7. */
  committedOffset(group: string, partition: string): ModelOffset | undefined {
    this.log(OFFSETS).requireLeader()
    return this.#offsets.get(`${group} ${partition}`)
  }

  deleteOffset(group: string, partition: string): void {
    this.#offsets.delete(`${group} ${partition}`)
  }

  endTransaction({ transactionalId, producerId, epoch }: Producer, outcome: Outcome): void {
    this.#transaction(transactionalId).end(producerId, epoch, outcome)
  }

  describeProducers(name: string): readonly Readonly<ProducerEntry>[] {
    const log = this.log(name)
    log.requireLeader()
    return log.producers.map((entry) => ({ ...entry }))
  }

  /** Accepts a marker from any sender. */
  writeMarker(name: string, marker: Marker): void {
    const ended = this.log(name).writeMarker(marker)
    if (name === OFFSETS && marker.outcome === 'commit') this.#materialise(ended.map(({ value }) => value))
  }

  /** Carries out one step of the coordinator for one partition. */
  mark(transactionalId: string, name: string): string {
    const transaction = this.#transaction(transactionalId)
    const before = this.log(name)
    const { producerId } = transaction.describe()
    const pending = name === OFFSETS ? before.openValues(producerId) : []
    const isCommit = transaction.describe().state === 'PrepareCommit'
    const result = transaction.mark(name)
    if (result === 'written' && isCommit) this.#materialise(pending)
    return `${isCommit ? 'commit' : 'abort'} marker ${result}`
  }

  #materialise(values: readonly string[]): void {
    for (const value of values) {
      const [group, partition, one] = JSON.parse(value) as PendingOffset
      this.#offsets.set(`${group} ${partition}`, one)
    }
  }

  #verify({ transactionalId, producerId, epoch }: Producer, log: ModelLog): void {
    log.requireLeader()
    log.requireEpoch(producerId, epoch)
    if (!log.isOpen(producerId)) this.#transaction(transactionalId).verify(producerId, epoch, log.name)
  }

  #transaction(transactionalId: string): ModelTransaction {
    const found = this.#transactions.get(transactionalId)
    if (found === undefined) throw new BrokerError('INVALID_PRODUCER_ID_MAPPING')
    return found
  }
}

type PendingOffset = [group: string, partition: string, offset: ModelOffset]
