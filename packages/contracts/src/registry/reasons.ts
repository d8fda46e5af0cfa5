/**
 * Why a record became a dead letter. The list is closed. A person acts on a reason, so each text says what to do.
 * A retriable fault (registry, database or broker unavailable) is never a reason: it pauses the partition.
 */
export const DEAD_LETTER_REASONS = {
  invalid_encoding: 'The body is not valid UTF-8. Ask the sender: Weir cannot repair it.',
  invalid_json: 'The body is not JSON. Ask the sender, or replay it with a fix-up.',
  unsafe_json:
    'Parsers disagree about the JSON of the body: it has duplicate or forbidden keys, numbers that are not finite, ' +
    'or too many levels. Ask the sender to correct it.',
  missing_field: 'A field that the source requires is missing. Fix the mapping or the sender, then replay.',
  wrong_type:
    'A required field has a type that the source does not accept, is too long, or has characters that no store keeps. ' +
    'Fix the mapping or the sender, then replay. Or the message is not an event, such as a confirmation of Amazon ' +
    'SNS: the error says what to do.',
  key_conflict:
    'The same dedup key came with a different body. Compare the two bodies, then replay (keeps both) or discard.',
  content_repeated:
    'The same signed content came again under another id, which is not signed. It is a captured request, or an event ' +
    'that really happened twice. Compare the two, then replay (keeps both) or discard.',
  unsupported_schema_version:
    'The event declares a schema version that the source does not list. Add the version to the source, then replay.',
  unknown_field:
    'The source rejects fields that it does not know. Approve the shape, which releases exactly these letters, or ' +
    'discard.',
  schema_violation:
    "The payload does not fit the source's JSON Schema. Fix the schema or the sender, then replay.",
  unmappable: 'No mapping of the source fits the payload. Add one, then replay.',
  event_too_large:
    'The normalised event has more than 1,000,000 bytes. Map fewer fields as attributes, or ask the sender for a ' +
    'smaller event.',
  body_damaged:
    'The body is not the one that came in: its checksum differs. Find the machine that changed it. The original is ' +
    'on webhooks.received.v1.',
  wrong_partition:
    'The record was not in the partition of its key, because its writer has another partition count. Correct ' +
    'TOPIC_PARTITIONS there, then replay.',
  record_invalid:
    'A record on an internal topic is not one that Weir writes. Find the program that writes to the topic.',
  unknown_schema:
    'The registry does not have the schema that the record names. Restore the registry, or find who wrote the record, ' +
    'then replay.',
  source_parked:
    'Most records of the source failed at that time, so the source was parked. The error says what was wrong with ' +
    'this record. Correct the cause, then replay by this reason.',
  row_rejected:
    'The database refused this row for its content, alone and repeatedly. Fix the mapping or the constraint, then replay.',
} as const

export type DeadLetterReason = keyof typeof DEAD_LETTER_REASONS

export const isDeadLetterReason = (text: string): text is DeadLetterReason =>
  Object.hasOwn(DEAD_LETTER_REASONS, text)
