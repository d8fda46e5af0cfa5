/**
 * What an owner of a transactional id can see of it and do to it. The protocol (`takeOver`, `endedEverywhere`) is written
 * over this interface alone, so that a model of the brokers can drive the same code. Each method is one question to the
 * brokers, and the process may sleep for an hour before and after each.
 *
 * All methods reject with a `RetriableError` when a broker does not answer or a partition has no leader.
 */
export interface TransactionView {
  /** False: the brokers are older than 3.0 and have not the requests that all others need, but for `init`. */
  canLook(): Promise<boolean>
  /** DescribeTransactions: what the coordinator knows of the id; undefined: nothing. */
  describe(): Promise<LastTransaction | undefined>
  /** DescribeProducers: where a transaction of this producer id is open, among `on` or else among all that the id may write to. */
  open(producerId: string, on?: readonly TopicPartition[]): Promise<readonly OpenTransaction[]>
  /**
   * InitProducerId that expects nothing: gives each caller an epoch of its own. On an ongoing transaction it makes the
   * coordinator abort it, and answers `busy`. `timeoutMs`: which the coordinator notes with the epoch, and how long it
   * waits for its replicas; else the time-out of a transaction.
   */
  init(timeoutMs?: number): Promise<InitResponse>
  /**
   * Makes the coordinator abort an ongoing transaction, which raises the epoch, and has no effect on any other state: an
   * InitProducerId that expects an epoch which cannot be. For an ongoing transaction that is not looked at.
   */
  abortOngoing(producerId: string): Promise<void>
  /** WriteTxnMarkers with our own producer id and epoch. refused: the partition has seen a newer epoch. */
  mark(open: OpenTransaction, own: ProducerEpoch, outcome: Outcome): Promise<'ended' | 'refused'>
  wait(ms: number): Promise<void>
}

/** No transaction is ever begun in it: InitProducerId changes the producer id before. */
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
  /** As the last InitProducerId has set it. */
  readonly timeoutMs: number
}

/** A transaction that is open on one partition, as the partition's leader has it. */
export interface OpenTransaction extends TopicPartition {
  /** Of the producer, as the partition has last seen it. */
  readonly epoch: number
  readonly coordinatorEpoch: number
  /** Its first offset there. */
  readonly from: bigint
}

/** busy: a transaction is being ended. */
export type InitResponse = ({ readonly outcome: 'given' } & ProducerEpoch) | { readonly outcome: 'busy' }
