/** The latest row of an interaction, with its event. */
export interface StoredInteraction {
  readonly source: string
  readonly interactionId: string
  readonly eventKey: Buffer
  readonly eventType: string
  readonly channel: string | null
  readonly direction: string | null
  readonly customerIdentifier: string | null
  readonly customerType: 'phone' | 'email' | null
  readonly queue: string | null
  readonly skill: string | null
  readonly agentId: string | null
  /** A whole number of up to 64 bits. */
  readonly sequence: string | null
  readonly occurredAt: Date | null
  readonly receivedAt: Date
  readonly updatedAt: Date
  /** JSON. */
  readonly payload: string
  /** Of the event's own row; null when that is gone. */
  readonly message: string | null
  readonly occurredAtOriginal: string | null
  readonly raw: Buffer | null
}

export const FIND_INTERACTION = `SELECT i.source, i.interaction_id AS "interactionId", i.event_key AS "eventKey",
  i.event_type AS "eventType", i.channel, i.direction, i.customer_identifier AS "customerIdentifier",
  i.customer_type AS "customerType", i.queue, i.skill, i.agent_id AS "agentId", i.sequence::text AS sequence,
  i.occurred_at AS "occurredAt", i.received_at AS "receivedAt", i.updated_at AS "updatedAt",
  i.payload::text AS payload, e.message, e.occurred_at_original AS "occurredAtOriginal", e.raw
FROM interactions i LEFT JOIN events e ON e.event_key = i.event_key
WHERE i.source = $1 AND i.interaction_id = $2`
