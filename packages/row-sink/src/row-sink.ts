import type { InteractionEvent } from '@weir/contracts'

/** An event as a row stores it. */
export interface RowEvent extends InteractionEvent {
  /** The number of its shape; undefined until the shape has one. */
  readonly schemaVersionNumber?: number
}

/** What became of one event. */
export type RowResult =
  /** The store has the row, since this write or an earlier one. */
  | { readonly kind: 'stored' }
  /** The store has the event key with another body. `first` is the stored body hash, hex. */
  | { readonly kind: 'conflict'; readonly first: string }
  /** The store refuses the row for its content or its size. `detail` says why, and never quotes the row. */
  | { readonly kind: 'rejected'; readonly detail: string }

/** The store is unavailable or busy. The same batch is written again after a back-off, without a limit. */
export class SinkUnavailableError extends Error {
  override readonly name = 'SinkUnavailableError'
}

/** The store refuses every row, or has a fault of its own. The partition is parked, and a person must act. */
export class SinkFaultError extends Error {
  override readonly name = 'SinkFaultError'
}

/**
 * A store with one row for each event. It may also keep the latest state of each interaction, which only a newer event
 * replaces: by sequence, then the provider's time, then ours, then the event key.
 */
export interface RowSink {
  /**
   * Writes a batch; resolves with one result for each event, in order, when everything that they say is durable. The
   * same events give the same results and change nothing when they are written again, in any batch, by any instance,
   * and after a write that was interrupted anywhere. So a store without transactions can write the latest state first
   * and the row after it.
   *
   * Rejects with a `SinkUnavailableError` or a `SinkFaultError` when no row is to blame, and with any error that the
   * sink does not know, as it is. Then each row may or may not be stored.
   */
  write(events: readonly RowEvent[]): Promise<readonly RowResult[]>
  /** Called once, after the last write. */
  close(): Promise<void>
}
