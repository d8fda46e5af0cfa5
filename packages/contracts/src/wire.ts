/** Headers of a record as they are on the wire. Names are kebab-case; see `HEADER`. */
export type WireHeaders = Readonly<Record<string, Buffer>>

/** A record to write, free of any Kafka client's types. */
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
  /** Present when the dedup key comes from what is not signed: see `contentKeyOf`. */
  contentKey: 'content-key',
  /** CRC-32 of the raw body; see `bodyChecksumOf`. */
  bodyCrc32: 'body-crc32',
  source: 'source',
  eventType: 'event-type',
  interactionId: 'interaction-id',
  receivedAt: 'received-at',
  providerSequence: 'provider-sequence',
  contentType: 'content-type',
  /** How the JSON of the body is found in its raw bytes, see `jsonBody`; absent for nearly all: they are JSON. */
  bodyForm: 'body-form',
  traceparent: 'traceparent',
  /** Present when the body is authentic but malformed: the dead-letter reason. */
  intakeError: 'intake-error',
  intakeErrorDetail: 'intake-error-detail',
  /** With `intake-error`: `accepted` (2xx) or `rejected` (400). */
  answered: 'answered',
  /** With `intake-error`: the body is an element of a batch. */
  element: 'element',
  /** With `intake-error`: what the source's keys are made of in addition to the body, as JSON. */
  keyFacts: 'key-facts',
  /** The body of the answer that the provider got, unless it is Weir's own 2xx, which follows from the record. */
  answer: 'answer',
  dlqReason: 'dlq-reason',
  dlqStep: 'dlq-step',
  dlqError: 'dlq-error',
  dlqStatus: 'dlq-status',
  dlqSourceTopic: 'dlq-source-topic',
  dlqSourcePartition: 'dlq-source-partition',
  dlqSourceOffset: 'dlq-source-offset',
  /** Present when the letter's value is sealed: the id of the key. */
  dlqKeyId: 'dlq-key-id',
  /** Fingerprint of the payload's shape, on letters of normalizer. */
  dlqShape: 'dlq-shape',
  firstFailedAt: 'first-failed-at',
  lastFailedAt: 'last-failed-at',
  replayCount: 'replay-count',
  /** On a letter whose record was too large to keep: how many bytes its value had. Headers were left out too. */
  dlqTruncated: 'dlq-truncated',
  /** On what a replay wrote: the job that did. */
  replayId: 'replay-id',
  /** On what a replay wrote: the letter that it takes the place of, see `letterPlace`. */
  replayOf: 'replay-of',
  /** On what a replay wrote with another body than came in: the fix-up's name. */
  fixUp: 'fix-up',
  /** On an approved conflict: the event key, hex, that is another event's. */
  conflictApproved: 'conflict-approved',
  /** With `key_conflict`: the hash that was there first, hex. */
  conflictsWith: 'conflicts-with',
} as const
