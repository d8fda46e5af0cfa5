import type { RowEvent, RowSink } from '../row-sink.ts'

/** A row as a test reads it back. */
export type StoredRow = Pick<
  RowEvent,
  'eventType' | 'message' | 'sequence' | 'attributes' | 'bodyHash' | 'raw'
>

/** Undoes what a test did to a store. */
export type Restore = () => Promise<void>

/** An event that the store refuses, whatever else is in its batch. */
export interface RefusedEvent {
  /** Why, such as `a row beyond the size limit`. */
  readonly because: string
  readonly event: RowEvent
}

/** A real store under test, with the faults that the conformance suite needs. Each sink has one, in its tests. */
export interface RowStore {
  /** Opens a sink on the store. */
  openSink(): RowSink
  /** Reads a row; undefined where there is none. */
  rowOf(eventKey: string): Promise<StoredRow | undefined>
  /** Counts all rows of these events. */
  countOf(eventKeys: readonly string[]): Promise<number>
  /** Reads the event key of the latest state of an interaction. Absent: the sink keeps no latest state. */
  latestOf?(source: string, interactionId: string): Promise<string | undefined>
  /** The text as the store can hold it. Absent: unchanged. */
  heldText?(text: string): string
  /** Events that the store refuses for their content, and for its size limits. */
  refusedEvents(): readonly RefusedEvent[]
  /** Lets that many further messages pass in either direction, and breaks every connection at the next one. */
  cutAfter(messages: number): void
  /** Makes the store unreachable. */
  takeAway(): Promise<Restore>
  /** Makes the store refuse every row, for a fault that is not in the rows: a missing table or a missing right. */
  refuseAll(): Promise<Restore>
}
