/**
 * Why a record became a dead letter: a closed list. A person acts on it, so each says what to do.
 * Retriable faults (registry, database or broker away) are never a reason: they pause the stage.
 */
export const DEAD_LETTER_REASONS = {
  invalid_encoding: 'The body is not valid UTF-8. Ask the sender; nothing in Weir can repair it.',
  invalid_json: 'The body is not JSON. Ask the sender, or replay it with a fix-up mapping.',
  unsafe_json:
    'The body is JSON that parsers disagree on: duplicate or forbidden keys, non-finite numbers, or too deep.',
  missing_field: 'A field that the source requires is not there. Fix the mapping or the sender, then replay.',
  wrong_type:
    'A required field has another type than the source states, is too long, or has characters that no store keeps. Fix the mapping or the sender, then replay. Or the message is no event, such as a confirmation of Amazon SNS: the error says what to do.',
  key_conflict:
    'The same dedup key came with another body. Compare the two, then replay (keeps both) or discard.',
  content_repeated:
    'The same signed content came again under another id, which is not signed: a captured request, or an event that really happened twice. Compare the two, then replay (keeps both) or discard.',
  unsupported_schema_version:
    'The event declares a schema version that the source does not list as supported.',
  unknown_field:
    'The source is set to reject fields it does not know. Approve the shape, which releases exactly these, or discard.',
  schema_violation:
    "The payload does not fit the source's JSON Schema. Fix the schema or the sender, then replay.",
  unmappable: 'No mapping of the source fits the payload. Add one, then replay.',
  event_too_large:
    'The normalised event has more than 1,000,000 bytes. Map fewer fields as attributes, or let the sender make it smaller.',
  body_damaged:
    'The body is not the one that came in: its checksum differs. Find the machine that changed it; the original is on webhooks.received.v1.',
  wrong_partition:
    'The record was not in the partition of its key: its writer has another partition count. Correct TOPIC_PARTITIONS there, then replay.',
  record_invalid:
    'A record on an internal topic is not what Weir writes. Something else writes to the topic.',
  unknown_schema:
    'The record names a schema that the registry answers not to have. Restore the registry, or find who wrote it, then replay.',
  source_parked:
    'Most records of the source failed at that time, so that it was parked; the text has what was wrong with this one. Correct the cause, then replay by this reason.',
  row_rejected: 'The database refused this row for its content, alone and repeatedly.',
} as const

export type DeadLetterReason = keyof typeof DEAD_LETTER_REASONS

export const isDeadLetterReason = (text: string): text is DeadLetterReason =>
  Object.hasOwn(DEAD_LETTER_REASONS, text)
