/**
 * The one event schema that every payload of every source becomes: Avro, on `interactions.normalized.v1`.
 * Optional fields are null where the payload has no such part; `partsMissing` names those its mapping looked for.
 */
export interface InteractionEvent {
  /** Hex of the 16-byte event key. */
  readonly eventKey: string
  readonly source: string
  readonly eventType: string
  readonly interactionId: string
  readonly channel: string | null
  readonly direction: string | null
  readonly customerIdentifier: string | null
  /** `phone` or `email` in the built-in mappings. */
  readonly customerType: string | null
  readonly queue: string | null
  readonly skill: string | null
  readonly agentId: string | null
  readonly message: string | null
  readonly intent: string | null
  /** The provider's sequence number in the interaction. */
  readonly sequence: bigint | null
  /** Epoch ms of the provider's timestamp, rounded down; null where it is no moment. */
  readonly occurredAt: number | null
  /** Nanoseconds of the provider's timestamp below `occurredAt`, 0 to 999,999; null as that, and in older records. */
  readonly occurredAtNanos: number | null
  /** The provider's timestamp as it was written. */
  readonly occurredAtOriginal: string | null
  /** Epoch ms. */
  readonly receivedAt: number
  /** Epoch ms. */
  readonly processedAt: number
  /** Fingerprint of the payload's paths and types: a pure function of the payload. */
  readonly schemaVersion: string
  readonly declaredSchemaVersion: string | null
  readonly dataActionId: string | null
  readonly sessionId: string | null
  readonly userId: string | null
  /** Top-level fields that no mapping names, as JSON texts. */
  readonly attributes: Readonly<Record<string, string>>
  readonly partsMissing: readonly string[]
  /** The 8-byte keyed body hash, so that sinks tell a repeat from a conflict for ever. */
  readonly bodyHash: Buffer
  /** The exact bytes that came in. */
  readonly raw: Buffer
  /** How the JSON of the body is found in `raw`, see `jsonBody`; null for nearly all: it is JSON as it is. */
  readonly bodyForm: string | null
  /** The name of the fix-up that made `raw` of what came in; null for nearly all: then `raw` is what came in. */
  readonly fixUp: string | null
}

const optional = (name: string, type: unknown) => ({ name, type: ['null', type], default: null })

export const INTERACTION_EVENT_SCHEMA = {
  type: 'record',
  name: 'InteractionEvent',
  namespace: 'weir',
  fields: [
    { name: 'eventKey', type: 'string' },
    { name: 'source', type: 'string' },
    { name: 'eventType', type: 'string' },
    { name: 'interactionId', type: 'string' },
    optional('channel', 'string'),
    optional('direction', 'string'),
    optional('customerIdentifier', 'string'),
    optional('customerType', 'string'),
    optional('queue', 'string'),
    optional('skill', 'string'),
    optional('agentId', 'string'),
    optional('message', 'string'),
    optional('intent', 'string'),
    optional('sequence', 'long'),
    optional('occurredAt', 'long'),
    optional('occurredAtNanos', 'int'),
    optional('occurredAtOriginal', 'string'),
    { name: 'receivedAt', type: 'long' },
    { name: 'processedAt', type: 'long' },
    { name: 'schemaVersion', type: 'string' },
    optional('declaredSchemaVersion', 'string'),
    optional('dataActionId', 'string'),
    optional('sessionId', 'string'),
    optional('userId', 'string'),
    { name: 'attributes', type: { type: 'map', values: 'string' }, default: {} },
    { name: 'partsMissing', type: { type: 'array', items: 'string' }, default: [] },
    { name: 'bodyHash', type: 'bytes' },
    { name: 'raw', type: 'bytes' },
    optional('bodyForm', 'string'),
    optional('fixUp', 'string'),
  ],
} as const
