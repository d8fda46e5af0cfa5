import type { StepHook } from '../transactions/steps.ts'
import type { Task } from './task.ts'
import type { KafkaLogger, KafkaSettings } from '../client/settings.ts'

export interface ProcessorOptions {
  readonly settings: KafkaSettings
  readonly logger: KafkaLogger
  /** The service's name: consumer group (with the prefix), transactional ids and log lines. */
  readonly service: string
  /** Input topics (full names); all co-partitioned. Partition p of each belongs to one member and one producer. */
  readonly inputs: readonly string[]
  /** Topics of which the owner of partition p writes to partition p (full names), but for the state topic. */
  readonly outputs: readonly string[]
  /** Topics of which each owner may write to any partition (full names). */
  readonly sharedOutputs?: readonly string[]
  /** Compacted topic whose partition p is the state of input partition p. */
  readonly changelogTopic?: string
  /** Compacted topic with at least as many partitions, in which each stage notes where it began. */
  readonly startsTopic: string
  /** What brings an owner's positions and the group's offsets together again, as a sentence; for stages that keep positions. */
  readonly repair?: (partition: number) => string
  openTask(partition: number): Promise<Task>
  readonly batch: {
    /** Most records of one transaction. */
    readonly recordsMax: number
    /** Most value bytes of one transaction. */
    readonly bytesMax: number
    /** When idle, wait so long for a batch to gather, ms: short transactions when idle, long ones with a backlog. */
    readonly lingerMs: number
  }
  /** How often the topics are looked at for a changed partition count, ms; default 30 s. */
  readonly topicCheckMs?: number
  /** How long a parked partition waits until it is tried again, ms; default 60 s. */
  readonly parkedRetryMs?: number
  readonly observer?: ProcessorObserver
  /** For fault injection: what it throws fails the transaction, or the start, at this step. */
  readonly onStep?: StepHook
}

/** For metrics and logs; called synchronously, must not throw. */
export interface ProcessorObserver {
  committed?(event: {
    partition: number
    topic: string
    records: number
    outputs: number
    durationMs: number
  }): void
  partition?(event: { partition: number; state: TaskState; error?: Error }): void
  /** It cannot go on, and why; without an error: it goes on again, or is another member's. */
  parked?(event: { partition: number; error?: Error }): void
  /** Records between the position and the end of the input, after each fetch. */
  lag?(event: { partition: number; topic: string; records: number }): void
}

export type TaskState =
  | 'fencing'
  | 'restoring'
  | 'running'
  | 'backing_off'
  /** It cannot go on by itself: it is tried again at long intervals, and the others go on. */
  | 'parked'
  /** What keeps it from going on concerns the whole stage. */
  | 'stopped'
  | 'released'
