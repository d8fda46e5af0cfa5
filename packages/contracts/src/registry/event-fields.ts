/** The TypeScript type of each type of field. Avro types and columns follow from the same names. */
export interface EventFieldValues {
  text: string
  /** Hex of bytes that sinks store as bytes. */
  hex: string
  /** Epoch ms. */
  moment: number
  int: number
  /** A whole number of up to 64 bits. */
  long: bigint
  bytes: Buffer
  texts: readonly string[]
  jsonTexts: Readonly<Record<string, string>>
}
export type EventFieldType = keyof EventFieldValues

/** The facts of one field. Every list of event fields derives from them. */
export interface EventField {
  readonly type: EventFieldType
  /** What the field holds, as the documents say it. */
  readonly meaning: string
  /** The field is null where the payload has no such part, and in records that are older than the field. */
  readonly isOptional?: true
  /** A mapping of normalizer fills the field with a text. */
  readonly isMapped?: true
  /** The latest state of an interaction has the field. */
  readonly isLatest?: true
  /** False: the field has no column of its own. */
  readonly isStored?: false
  /** The mapped field without which this one has no meaning. Where that is null, this one is null and not missing. */
  readonly describes?: 'customerIdentifier'
}

const MAPPED = { type: 'text', isOptional: true, isMapped: true } as const
const MAPPED_LATEST = { ...MAPPED, isLatest: true } as const

/** The fields of the event, in the order of its Avro schema. docs/guides/add-an-event-field.md tells how to add one. */
export const EVENT_FIELDS = {
  eventKey: { type: 'hex', isLatest: true, meaning: 'The 16-byte event key.' },
  source: { type: 'text', isLatest: true, meaning: 'The source that sent the event.' },
  eventType: { type: 'text', isLatest: true, meaning: "The provider's event type." },
  interactionId: { type: 'text', isLatest: true, meaning: "The provider's id of the interaction." },
  channel: { ...MAPPED_LATEST, meaning: 'How they talk, such as `voice` or `chat`.' },
  direction: { ...MAPPED_LATEST, meaning: 'Who began: `inbound` or `outbound` in the built-in mappings.' },
  customerIdentifier: {
    ...MAPPED_LATEST,
    meaning: 'The phone number, address or id by which the customer is known.',
  },
  customerType: {
    ...MAPPED_LATEST,
    describes: 'customerIdentifier',
    meaning: 'What kind of identifier that is: `phone` or `email` in the built-in mappings.',
  },
  queue: { ...MAPPED_LATEST, meaning: 'The queue in which the interaction waits.' },
  skill: { ...MAPPED_LATEST, meaning: 'The skill that is asked for.' },
  agentId: { ...MAPPED_LATEST, meaning: 'The agent who takes part.' },
  message: { ...MAPPED, meaning: 'What was said or written.' },
  intent: { ...MAPPED, meaning: 'What the customer wants, as a bot has understood it.' },
  sequence: {
    type: 'long',
    isOptional: true,
    isLatest: true,
    meaning: "The provider's sequence number in the interaction.",
  },
  occurredAt: {
    type: 'moment',
    isOptional: true,
    isLatest: true,
    meaning: "The provider's timestamp, rounded down to a millisecond; null where it is not a moment.",
  },
  occurredAtNanos: {
    type: 'int',
    isOptional: true,
    isLatest: true,
    meaning: "Nanoseconds of the provider's timestamp below `occurredAt`, 0 to 999,999.",
  },
  occurredAtOriginal: {
    ...MAPPED,
    meaning: 'When it happened, as the provider writes it; `occurredAt` is computed from it.',
  },
  receivedAt: { type: 'moment', isLatest: true, meaning: 'When ingress received the webhook.' },
  processedAt: { type: 'moment', meaning: 'When normalizer wrote the event.' },
  schemaVersion: {
    type: 'text',
    meaning: "Fingerprint of the payload's paths and types: a pure function of the payload.",
  },
  declaredSchemaVersion: {
    ...MAPPED,
    meaning: 'The version of its schema that the payload names; `schemaVersions` limits it.',
  },
  dataActionId: { ...MAPPED, meaning: 'The data action that ran.' },
  sessionId: { ...MAPPED, meaning: 'The session of a bot.' },
  userId: { ...MAPPED, meaning: 'The user of a bot.' },
  attributes: { type: 'jsonTexts', meaning: 'Top-level fields that no mapping names, as JSON texts.' },
  partsMissing: { type: 'texts', meaning: 'The mapped fields that the payload should have and lacks.' },
  bodyHash: {
    type: 'bytes',
    meaning: 'The 8-byte keyed body hash, by which a sink tells a repeat from a conflict.',
  },
  raw: { type: 'bytes', meaning: 'The exact bytes that came in, or what a fix-up made of them.' },
  bodyForm: {
    type: 'text',
    isOptional: true,
    isStored: false,
    meaning: 'How `jsonBody` finds the JSON in `raw`; null: `raw` is JSON.',
  },
  fixUp: {
    type: 'text',
    isOptional: true,
    meaning: 'The name of the fix-up that made `raw`; null: `raw` is what came in.',
  },
} as const satisfies Readonly<Record<string, EventField>>

type EventFields = typeof EVENT_FIELDS
export type EventFieldName = keyof EventFields
type EventFieldsWith<Facts> = {
  [Name in EventFieldName]: EventFields[Name] extends Facts ? Name : never
}[EventFieldName]
export type MappedField = EventFieldsWith<{ readonly isMapped: true }>
export type LatestMappedField = EventFieldsWith<{ readonly isMapped: true; readonly isLatest: true }>
export type OptionalField = EventFieldsWith<{ readonly isOptional: true }>

/** The one event that every payload of every source becomes: Avro, on `interactions.normalized.v1`. */
export type InteractionEvent = {
  readonly [Name in EventFieldName]:
    EventFieldValues[EventFields[Name]['type']] | (Name extends OptionalField ? null : never)
}

/** Names and facts in the order of the schema. */
export const eventFields = Object.entries(EVENT_FIELDS) as readonly (readonly [EventFieldName, EventField])[]

const namesWith = (...facts: readonly (keyof EventField)[]): readonly EventFieldName[] =>
  eventFields.flatMap(([name, field]) => (facts.every((fact) => field[fact]) ? [name] : []))

/** Fields that a mapping can fill. */
export const MAPPED_FIELDS = namesWith('isMapped') as readonly MappedField[]
/** Mapped fields that the latest state of an interaction has. */
export const LATEST_MAPPED_FIELDS = namesWith('isMapped', 'isLatest') as readonly LatestMappedField[]
export const OPTIONAL_FIELDS = namesWith('isOptional') as readonly OptionalField[]

export const nullFields = <Name extends string>(names: readonly Name[]): Record<Name, null> =>
  Object.fromEntries(names.map((name) => [name, null])) as Record<Name, null>

/** The column of a field in a sink that has columns: `agentId` is in `agent_id`. */
export const columnOf = (field: EventFieldName): string =>
  field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

const AVRO_TYPES: Readonly<Record<EventFieldType, unknown>> = {
  text: 'string',
  hex: 'string',
  moment: 'long',
  int: 'int',
  long: 'long',
  bytes: 'bytes',
  texts: { type: 'array', items: 'string' },
  jsonTexts: { type: 'map', values: 'string' },
}
const AVRO_DEFAULTS: Partial<Record<EventFieldType, unknown>> = { texts: [], jsonTexts: {} }

const avroField = ([name, { type, isOptional }]: readonly [name: string, field: EventField]) =>
  isOptional
    ? { name, type: ['null', AVRO_TYPES[type]], default: null }
    : // A property that is undefined is not in the JSON of the schema.
      { name, type: AVRO_TYPES[type], default: AVRO_DEFAULTS[type] }

/** The Avro schema of an event with these fields. */
export const avroSchemaOf = (fields: readonly (readonly [name: string, field: EventField])[]) => ({
  type: 'record',
  name: 'InteractionEvent',
  namespace: 'weir',
  fields: fields.map(avroField),
})

export const INTERACTION_EVENT_SCHEMA = avroSchemaOf(eventFields)
