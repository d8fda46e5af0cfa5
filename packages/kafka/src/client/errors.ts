/** A dependency is away for now: back off, pause, call again. Never a reason for a dead letter. */
export class RetriableError extends Error {
  override readonly name = 'RetriableError'
}

/** An offset that the log does not have: data is gone or the position is another cluster's. The partition stops. */
export class OffsetOutOfRangeError extends Error {
  override readonly name = 'OffsetOutOfRangeError'
}

/** What is there contradicts what must be (missing position, wrong topic settings): a person must look. The partition stops, loudly. */
export class StateError extends Error {
  override readonly name = 'StateError'
}

/** What keeps this partition from going on keeps every one of this process: the stage ends. */
export class ProcessorError extends Error {
  override readonly name = 'ProcessorError'
}

/** What an owner keeps beside Kafka is of no use any more: it is discarded, and the partition starts again from its restore. */
export class RestartError extends Error {
  override readonly name = 'RestartError'
}

/**
 * A transaction did not come through, or it is not known whether it did: the producer is of no more use, and
 * what was staged is discarded. Who may go on is decided by the group, not by this error.
 */
export class TransactionError extends Error {
  override readonly name = 'TransactionError'
}

/** The message says what happened and what to do: a stack says nothing more. */
export const isExplained = (error: Error): boolean =>
  error instanceof StateError || error instanceof OffsetOutOfRangeError
