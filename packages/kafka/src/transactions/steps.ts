import type { OutputRecord } from '../protocol/record.ts'

/**
 * Points between the assignment of a partition and its first transaction, at which a fault test can suspend or kill the
 * process. Each is named after the action that has just completed. assigned: the group confirmed the ownership.
 * decision-read: the coordinator reported how the last transaction ended. shut-out: the previous owner can no longer
 * write. open-listed: the partitions with open transactions are known. marked: one of them was ended. fenced: this
 * owner has its working epoch. barrier: it is written. offsets-read: the group's offsets are known. restored: the task
 * has its state. positioned: the inputs have their start offsets. The next point is `begin`.
 */
export type StartStep =
  | ('assigned' | 'decision-read' | 'shut-out' | 'open-listed' | 'marked' | 'fenced')
  | ('barrier' | 'offsets-read' | 'restored' | 'positioned')
/** begin: nothing was sent. part-sent: after each send. outputs-sent, offsets-sent: all were sent. */
export type TransactionStep = 'begin' | 'part-sent' | 'outputs-sent' | 'offsets-sent' | 'committed'
export type StepHook = (step: StartStep | TransactionStep, outputs: readonly OutputRecord[]) => void
