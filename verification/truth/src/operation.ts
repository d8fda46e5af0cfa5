/**
 * event: signed and well formed. malformed: signed, but not what the source sends. forged: with a wrong signature, so
 * nothing of it may be stored anywhere.
 */
export type OperationKind = 'event' | 'malformed' | 'forged'

/** One HTTP request, as it was about to be sent. A retry is an operation of its own. */
export interface Operation {
  readonly source: string
  readonly kind: OperationKind
  /** Hex. Only for an `event`. */
  readonly eventKey?: string
  /** Hex sha256 of the body. */
  readonly rawHash: string
}

/**
 * acked: 2xx, or 400 after the malformed body was kept. refused: rejected as expected. failed: certainly not delivered.
 * unknown: cut off, timed out or 503, so it may or may not be stored.
 */
export type OperationResult = 'acked' | 'refused' | 'failed' | 'unknown'

export type FinishedOperation = Operation & { readonly result: OperationResult }
