import type { DeadLetterStage } from '@weir/contracts'

/** A row of the sink. */
export interface ObservedRow {
  readonly source: string
  readonly eventKey: string
  readonly rawHash: string
}

/** A dead letter of any stage. */
export interface ObservedLetter extends ObservedRow {
  readonly stage: DeadLetterStage
  readonly reason: string
  /** Identifies the letter. */
  readonly place: string
}

/** A record that a replay wrote to the replay topic of `stage`, with the event and the body that it has there. */
export interface ObservedReturn extends ObservedRow {
  readonly stage: ObservedLetter['stage']
  /** `place` of the letter that this record replaces. */
  readonly letter: string
}

/** Sums of one source. */
export interface SourceCounts {
  readonly received: number
  /** Letters that a replay brought back to dedup, and that it decided about. */
  readonly returned: number
  readonly unique: number
  readonly duplicates: number
  readonly conflicts: number
  readonly deadLettered: number
}

export interface Observed {
  /** Records on the topic of received webhooks, of all sources. */
  readonly onTopic: number
  readonly rows: readonly ObservedRow[]
  readonly letters: readonly ObservedLetter[]
  /** What replays have written, of all stages. */
  readonly returns: readonly ObservedReturn[]
  readonly counts: ReadonlyMap<string, SourceCounts>
  /**
   * Rows of each source that were there before this deployment, deleted ones included: taken off before rows are
   * compared with counts.
   */
  readonly strangeRows?: ReadonlyMap<string, number>
  /** Rows of each source that retention has deleted: each was the end of an event. */
  readonly deletedRows?: ReadonlyMap<string, number>
}
