/**
 * The requests about one transactional id. The protocol (`takeOver`, `committedEverywhere`) uses only this interface,
 * so a simulation can drive it with a model of the brokers. Each method is one request, and the process can be
 * suspended for any time before and after it.
 *
 * All methods reject with a `RetriableError` when a broker does not respond or a partition has no leader.
 */
export interface TransactionView {
  /** False for brokers before 3.0, which support only `init`. */
  canLook(): Promise<boolean>
  /** DescribeTransactions: the coordinator's state of the id; undefined when it has none. */
  describe(): Promise<LastTransaction | undefined>
  /**
   * DescribeProducers: the partitions with an open transaction of this producer id. Searches `on`; by default all
   * partitions that the id may write to.
   */
  open(producerId: string, on?: readonly TopicPartition[]): Promise<readonly OpenTransaction[]>
  /**
   * InitProducerId without an expected epoch: gives each caller a new epoch. If a transaction is ongoing, the
   * coordinator aborts it and the result is `busy`. The coordinator stores `timeoutMs` with the epoch and waits that
   * long for its replicas; default: the transaction timeout.
   */
  init(timeoutMs?: number): Promise<InitResponse>
  /**
   * InitProducerId with an expected epoch that cannot exist: makes the coordinator abort an ongoing transaction, which
   * raises the epoch, and has no effect in any other state. The coordinator does not compare the epoch in that case.
   */
  abortOngoing(producerId: string): Promise<void>
  /** WriteTxnMarkers with this owner's producer id and epoch. refused: the partition has seen a newer epoch. */
  mark(open: OpenTransaction, own: ProducerEpoch, outcome: Outcome): Promise<'ended' | 'refused'>
  wait(ms: number): Promise<void>
}

/** No transaction can have this epoch, because InitProducerId changes the producer id first. */
export const IMPOSSIBLE_EPOCH = 32_767

export type Outcome = 'commit' | 'abort'

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

export interface ProducerEpoch {
  readonly producerId: string
  readonly epoch: number
}

export interface LastTransaction extends ProducerEpoch {
  readonly state:
    | 'Empty'
    | 'Ongoing'
    | 'PrepareCommit'
    | 'PrepareAbort'
    | 'CompleteCommit'
    | 'CompleteAbort'
    | 'Dead'
    | 'PrepareEpochFence'
  /** Set by the last InitProducerId. */
  readonly timeoutMs: number
}

/** An open transaction on one partition, as its leader reports it. */
export interface OpenTransaction extends TopicPartition {
  /** The producer's last epoch on this partition. */
  readonly epoch: number
  readonly coordinatorEpoch: number
  /** Offset of its first record on this partition. */
  readonly from: bigint
}

/** busy: the coordinator is still ending a transaction. */
export type InitResponse = ({ readonly outcome: 'given' } & ProducerEpoch) | { readonly outcome: 'busy' }
