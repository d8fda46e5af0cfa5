import type { WrittenOffsets } from '../transactions/transactional-producer.ts'
import type { InputRecord, OutputRecord } from '../protocol/record.ts'

/**
 * The work of a service on one partition number, from fence to release. The processor calls one method at a time:
 *
 *   opened -> [fenced] -> restore -> (process -> commit -> committed)* -> close
 *
 * After any error the processor discards the producer, closes the task, and starts a new task from `restore`, in this
 * or another process. A task therefore changes its memory and its caches only in `committed`.
 */
export interface Task {
  /**
   * Called after the previous owner was fenced, so no other process can write the outputs of this partition.
   * A task that keeps positions returns one for each input topic, or undefined for a topic that it has not read. The
   * position must equal the committed offset of the group, because both commit in one transaction. Other tasks return
   * an empty map.
   */
  restore(state: RestoreContext): Promise<ReadonlyMap<string, bigint | undefined>>
  /**
   * Processes records of one input topic and this partition: all readable records, in offset order. The outputs stay
   * invisible until the transaction commits. The task may first write idempotently outside Kafka (rows, points).
   * After a `RetriableError` the processor backs off and calls `process` again with the same records; any other error
   * discards the task. A task that keeps positions also gets batches without records, so that its position moves past
   * control markers.
   */
  process(batch: InputBatch): Promise<ProcessedBatch>
  /** Releases files and timers. Called exactly once, also after errors. Must not write to Kafka. */
  close(): Promise<void>
}

export interface InputBatch {
  readonly topic: string
  readonly partition: number
  readonly records: readonly InputRecord[]
  /** The offset after the batch and the control markers that follow it. Becomes the position on commit. */
  readonly nextOffset: bigint
  /** Aborted when this process no longer owns the partition. Long work should stop then. */
  readonly signal: AbortSignal
  /**
   * True when a heartbeat of the current generation succeeded within the last half session timeout, so no successor can
   * own the partition. Call it immediately before an effect outside Kafka that a successor could not correct.
   */
  readonly ownershipIsFresh: () => boolean
}

export interface ProcessedBatch {
  readonly outputs: readonly OutputRecord[]
  /** Stored with the committed offset of the input topic; at most 4,096 bytes. */
  readonly offsetMetadata?: string
  /** Called once after the commit is acknowledged, before the next `process`. Only here may the task change memory. */
  readonly committed?: (written: WrittenOffsets) => void | Promise<void>
}

export interface RestoreContext {
  readonly partition: number
  readonly clusterId: string
  readonly signal: AbortSignal
  /** Committed offset and metadata of the group for an input topic, read after the fence. */
  committed(topic: string): { readonly offset: bigint; readonly metadata: string } | undefined
  /** As in `InputBatch`, for effects outside a batch. */
  readonly ownershipIsFresh: () => boolean
  /** The changelog partition with this number; undefined when the processor has no changelog. */
  readonly state?: ChangelogPartition
}

/** A partition of the changelog, readable up to the barrier that was written after the fence. */
export interface ChangelogPartition {
  readonly topic: string
  /** Changes when the topic is deleted and created again. Empty when the brokers do not report it. */
  readonly topicId: string
  /** First offset in the log. */
  readonly logStartOffset: bigint
  /** Offset of the barrier. The readable records before it are the complete state. */
  readonly barrierOffset: bigint
  /** The first readable record at or after `from`, without control markers and barriers; undefined without one. */
  first(from: bigint): Promise<InputRecord | undefined>
  /**
   * Calls `onRecords` with all records from offset `from` up to the barrier, without barriers.
   * Rejects with an `OffsetOutOfRangeError` when `from` is before the log start or after the barrier.
   */
  read(
    from: bigint,
    onRecords: (records: readonly InputRecord[], nextOffset: bigint) => void | Promise<void>,
  ): Promise<void>
}
