import type { StepHook } from '../transactions/steps.ts'
import type { Task } from './task.ts'
import type { KafkaLogger, KafkaSettings } from '../client/settings.ts'

export interface ProcessorOptions {
  readonly settings: KafkaSettings
  readonly logger: KafkaLogger
  /** Name of the service, used in its consumer group (after the prefix), transactional ids and log lines. */
  readonly service: string
  /** Co-partitioned input topics (full names). One group member and one producer own partition p of all of them. */
  readonly inputs: readonly string[]
  /** Topics (full names) whose partition p is written by the task of partition p, without the changelog. */
  readonly outputs: readonly string[]
  /** Topics (full names) of which every task may write to any partition. */
  readonly sharedOutputs?: readonly string[]
  /** Compacted topic whose partition p is the state of input partition p. */
  readonly changelogTopic?: string
  /** Compacted topic, with at least as many partitions as the inputs, in which each processor notes where it began. */
  readonly startsTopic: string
  /** For tasks that keep positions: a sentence that says how to make positions and group offsets equal again. */
  readonly repair?: (partition: number) => string
  openTask(partition: number): Promise<Task>
  readonly batch: {
    /** Maximum records in one transaction. */
    readonly recordsMax: number
    /** Maximum bytes of record values in one transaction. */
    readonly bytesMax: number
    /** How long to wait for more records before an incomplete batch is processed, ms. */
    readonly lingerMs: number
  }
  /** Interval between checks of the topics' partition counts, ms; default 30 s. */
  readonly topicCheckMs?: number
  /** Delay before a parked partition is tried again, ms; default 60 s. */
  readonly parkedRetryMs?: number
  readonly observer?: ProcessorObserver
  /** For fault injection: an error that it throws fails the start or the transaction at this step. */
  readonly onStep?: StepHook
}

/** For metrics and logs. Called synchronously; must not throw. */
export interface ProcessorObserver {
  committed?(event: {
    partition: number
    topic: string
    records: number
    outputs: number
    durationMs: number
  }): void
  partition?(event: { partition: number; state: TaskState; error?: Error }): void
  /** With an error: the partition is parked. Without: it runs again, or another member owns it. */
  parked?(event: { partition: number; error?: Error }): void
  /** Records between the position and the end of the input, after each fetch. */
  lag?(event: { partition: number; topic: string; records: number }): void
}

export type TaskState =
  | 'fencing'
  | 'restoring'
  | 'running'
  | 'backing_off'
  /** An operator must help. The partition is tried again at long intervals while others continue. */
  | 'parked'
  /** The cause affects the whole processor. */
  | 'stopped'
  | 'released'
