/** A dependency is unavailable. Back off and retry; never write a dead letter for it. */
export class RetriableError extends Error {
  override readonly name = 'RetriableError'
}

/**
 * The log does not contain the offset: data was lost, or the position belongs to another cluster. Parks the partition.
 */
export class OffsetOutOfRangeError extends Error {
  override readonly name = 'OffsetOutOfRangeError'
}

/**
 * Stored data or topic settings contradict what the code requires (for example a missing position). An operator must
 * decide. Parks the partition.
 */
export class StateError extends Error {
  override readonly name = 'StateError'
}

/** The cause of the failure affects every partition of this process. Ends the processor. */
export class ProcessorError extends Error {
  override readonly name = 'ProcessorError'
}

/** The local state of a task is unusable. The task is discarded, and the partition starts again with a restore. */
export class RestartError extends Error {
  override readonly name = 'RestartError'
}

/**
 * A transaction failed, or its result is unknown. The producer cannot be used again, and staged work is discarded. The
 * consumer group decides who continues, not this error.
 */
export class TransactionError extends Error {
  override readonly name = 'TransactionError'
}

/** The message says what happened and what to do, so a log line needs no stack trace. */
export const isExplained = (error: Error): boolean =>
  error instanceof StateError || error instanceof OffsetOutOfRangeError
