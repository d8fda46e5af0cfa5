/** Record headers as they are on the wire. Names are kebab-case; see `HEADER`. */
export type WireHeaders = Readonly<Record<string, Buffer>>

/** A record to write, independent of the types of a Kafka client. */
export interface WireRecord {
  readonly key: Buffer
  /** null: a tombstone, in compacted topics only. */
  readonly value: Buffer | null
  readonly headers: WireHeaders
}

export const HEADER = {
  eventKey: 'event-key',
  dedupKey: 'dedup-key',
  dedupKeyFallback: 'dedup-key-fallback',
  bodyHash: 'body-hash',
  /** Present if the dedup key comes from values that are not signed; see `contentKeyOf`. */
  contentKey: 'content-key',
  /** CRC-32 of the raw body; see `bodyChecksumOf`. */
  bodyCrc32: 'body-crc32',
  source: 'source',
  eventType: 'event-type',
  interactionId: 'interaction-id',
  receivedAt: 'received-at',
  providerSequence: 'provider-sequence',
  contentType: 'content-type',
  /** How `jsonBody` finds the JSON of the body in its raw bytes. Absent for most records, whose raw bytes are JSON. */
  bodyForm: 'body-form',
  traceparent: 'traceparent',
  /** The dead-letter reason of a body that is authentic but malformed; absent otherwise. */
  intakeError: 'intake-error',
  intakeErrorDetail: 'intake-error-detail',
  /** With `intake-error`: `accepted` (2xx) or `rejected` (400). */
  answered: 'answered',
  /** With `intake-error`: the body is an element of a batch. */
  element: 'element',
  /** With `intake-error`: the values outside of the body that the keys of the source use, as JSON. */
  keyFacts: 'key-facts',
  /** The response body that the provider got. Absent for Weir's own 2xx, which follows from the record. */
  answer: 'answer',
  dlqReason: 'dlq-reason',
  dlqStep: 'dlq-step',
  dlqError: 'dlq-error',
  dlqStatus: 'dlq-status',
  dlqSourceTopic: 'dlq-source-topic',
  dlqSourcePartition: 'dlq-source-partition',
  dlqSourceOffset: 'dlq-source-offset',
  /** The id of the key that sealed the letter; absent if the letter is not sealed. */
  dlqKeyId: 'dlq-key-id',
  /** Fingerprint of the payload's shape, on letters of normalizer only. */
  dlqShape: 'dlq-shape',
  firstFailedAt: 'first-failed-at',
  lastFailedAt: 'last-failed-at',
  replayCount: 'replay-count',
  /** On a letter that truncates a record that was too large: the original size of the value, bytes. */
  dlqTruncated: 'dlq-truncated',
  /** On a record that a replay wrote: the id of the job. */
  replayId: 'replay-id',
  /** On a record that a replay wrote: the letter that the record replaces; see `letterPlace`. */
  replayOf: 'replay-of',
  /** On a record whose body a replay changed: the name of the fix-up. */
  fixUp: 'fix-up',
  /** On an approved conflict: the event key of the earlier event, hex. */
  conflictApproved: 'conflict-approved',
  /** With `key_conflict`: the body hash of the earlier event, hex. */
  conflictsWith: 'conflicts-with',
} as const
