import type { InteractionEvent } from '@weir/contracts'

/** An event as it is stored. */
export interface RowEvent extends InteractionEvent {
  /** The number of its shape; undefined until it has one. */
  readonly schemaVersionNumber?: number
}

/** What became of one event. Writing the same events again gives the same, so a batch may be repeated at any time. */
export type RowResult =
  /** The row is there, now or since an earlier attempt. */
  | { readonly kind: 'stored' }
  /** The key is there with another body. */
  | { readonly kind: 'conflict'; readonly first: string }
  /** The database refuses this row for its content. */
  | { readonly kind: 'rejected'; readonly detail: string }

/** The database is away or busy: wait and write again. */
export class SinkUnavailableError extends Error {
  override readonly name = 'SinkUnavailableError'
}

/** The database refuses our statements whatever the rows are, or has a fault of its own: a person must look. */
export class SinkFaultError extends Error {
  override readonly name = 'SinkFaultError'
}

/** A database with one row per event and the latest row per interaction. */
export interface RowSink {
  /**
   * One result for each event, in order. All rows of an event change together. Rejects with a `SinkUnavailableError`,
   * or a `SinkFaultError`.
   */
  write(events: readonly RowEvent[]): Promise<readonly RowResult[]>
  close(): Promise<void>
}
