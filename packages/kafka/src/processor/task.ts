import type { WrittenOffsets } from '../transactions/transactional-producer.ts'
import type { InputRecord, OutputRecord } from '../protocol/record.ts'

/**
 * What a service does with one partition number while it owns it. The stage (`startProcessor`) calls the methods
 * one at a time, never two at once for the same owner:
 *
 *   opened -> [fenced] -> restore -> (stage -> commit -> committed)* -> close
 *
 * On any error, at any point, the stage discards the producer and this owner (close), and a new owner starts
 * again from restore, here or elsewhere. So an owner changes its memory and its caches only in `committed`.
 */
export interface Task {
  /**
   * Runs after the predecessor was fenced: nobody else can write this partition's outputs any more.
   * An owner that keeps positions returns one for each input topic, undefined where it has read nothing yet: it must be
   * equal to the group's offset, which commits in the same transactions. Others return an empty map.
   */
  restore(state: RestoreContext): Promise<ReadonlyMap<string, bigint | undefined>>
  /**
   * Decides about a batch: records of one input topic and this partition, in offset order, without gaps in what
   * is readable. Nothing it returns is visible to anyone until the transaction commits.
   * May do idempotent effects outside Kafka (rows, points) first. A thrown `RetriableError` makes the stage
   * back off and call `stage` again with the same records; any other error discards the owner.
   * An owner that keeps positions gets a batch without records where only control markers came, to note the position.
   */
  process(batch: InputBatch): Promise<ProcessedBatch>
  /** Releases files and timers. Called exactly once, also after errors; must not write anything to Kafka. */
  close(): Promise<void>
}

export interface InputBatch {
  readonly topic: string
  readonly partition: number
  readonly records: readonly InputRecord[]
  /** The offset after the batch, trailing control markers included: the position once it is committed. */
  readonly nextOffset: bigint
  /** Aborted when the ownership has ended; long work should stop. */
  readonly signal: AbortSignal
  /**
   * True when a heartbeat succeeded in the current generation within half the session timeout, so no successor
   * can own the partition. Ask right before an effect outside Kafka that a successor could not correct.
   */
  readonly ownershipIsFresh: () => boolean
}

export interface ProcessedBatch {
  readonly outputs: readonly OutputRecord[]
  /** Kept with the committed offset of the input topic, at most 4,096 bytes. */
  readonly offsetMetadata?: string
  /** Called once after the broker acknowledged the commit, before the next `stage`: the only place to change memory. */
  readonly committed?: (written: WrittenOffsets) => void | Promise<void>
}

export interface RestoreContext {
  readonly partition: number
  readonly clusterId: string
  readonly signal: AbortSignal
  /** Committed offset and metadata of the group for an input topic, read after the fence. */
  committed(topic: string): { readonly offset: bigint; readonly metadata: string } | undefined
  /** As in `InputBatch`, for effects that no batch asks for. */
  readonly ownershipIsFresh: () => boolean
  /** The state partition with this number; only when the stage was given a state topic. */
  readonly state?: ChangelogPartition
}

/** A partition of a compacted state topic, readable up to a barrier that was written after the fence. */
export interface ChangelogPartition {
  readonly topic: string
  /** Another one when the topic was deleted and created again; empty when the brokers do not tell. */
  readonly topicId: string
  /** First offset that the log still has. */
  readonly logStartOffset: bigint
  /** Offset of the barrier record. Everything before it that is readable is the whole truth. */
  readonly barrierOffset: bigint
  /** The first readable record at or after `from` (control markers and barriers skipped), undefined when there is none. */
  first(from: bigint): Promise<InputRecord | undefined>
  /**
   * Calls `onRecords` with all records from offset `from` up to the barrier, barriers left out.
   * Rejects with an `OffsetOutOfRangeError` when `from` is below the log's start or above the barrier.
   */
  read(
    from: bigint,
    onRecords: (records: readonly InputRecord[], nextOffset: bigint) => void | Promise<void>,
  ): Promise<void>
}
