import type { OutputRecord } from '../protocol/record.ts'

/**
 * The places between the assignment of a partition and its first transaction where its process can sleep for long, each
 * named by what it has just done. assigned: the group has confirmed that the partition is ours. decision-read: the
 * coordinator has said how the last transaction ended. shut-out: the owner before can write no more. open-listed: it is
 * known where transactions are still open. marked: one of them was ended. fenced: this owner has an epoch of its own.
 * barrier, offsets-read, restored, positioned: as they say; the next is `begin`.
 */
export type StartStep =
  | ('assigned' | 'decision-read' | 'shut-out' | 'open-listed' | 'marked' | 'fenced')
  | ('barrier' | 'offsets-read' | 'restored' | 'positioned')
/** begin: nothing is sent. part-sent: after each send. outputs-sent, offsets-sent: all of them. committed: acknowledged. */
export type TransactionStep = 'begin' | 'part-sent' | 'outputs-sent' | 'offsets-sent' | 'committed'
export type StepHook = (step: StartStep | TransactionStep, outputs: readonly OutputRecord[]) => void
