import {
  columnOf,
  LATEST_MAPPED_FIELDS,
  type InteractionEvent,
  type LatestMappedField,
} from '@weir/contracts'

/** The latest row of an interaction and its event. */
export interface StoredInteraction extends Pick<InteractionEvent, LatestMappedField> {
  readonly source: string
  readonly interactionId: string
  readonly eventKey: Buffer
  readonly eventType: string
  /** An integer of up to 64 bits as decimal text. */
  readonly sequence: string | null
  readonly occurredAt: Date | null
  readonly receivedAt: Date
  readonly updatedAt: Date
  /** JSON text. */
  readonly payload: string
  /** Value from the row of the event; null if that row is gone. */
  readonly message: string | null
  readonly occurredAtOriginal: string | null
  readonly raw: Buffer | null
}

const LATEST_PARTS = LATEST_MAPPED_FIELDS.map((field) => `i.${columnOf(field)} AS "${field}"`).join(', ')

export const FIND_INTERACTION = `SELECT i.source, i.interaction_id AS "interactionId", i.event_key AS "eventKey",
  i.event_type AS "eventType", ${LATEST_PARTS}, i.sequence::text AS sequence,
  i.occurred_at AS "occurredAt", i.received_at AS "receivedAt", i.updated_at AS "updatedAt",
  i.payload::text AS payload, e.message, e.occurred_at_original AS "occurredAtOriginal", e.raw
FROM interactions i LEFT JOIN events e ON e.event_key = i.event_key
WHERE i.source = $1 AND i.interaction_id = $2`
