import {
  columnOf,
  eventFields,
  isMoment,
  jsonBody,
  OPAQUE_SHAPE,
  parseBodyForm,
  storedText,
  type EventField,
  type EventFieldName,
  type EventFieldType,
  type EventFieldValues,
} from '@weir/contracts'
import type { RowEvent } from '@weir/row-sink'
import { jsonbOf, textJsonb, type Jsonb } from './jsonb.ts'

/** A column of `events`. */
interface Column {
  readonly name: string
  readonly type: string
  readonly valueOf: (event: RowEvent, payload: Jsonb) => unknown
  /** What an element of the parameter's array becomes; absent: itself. */
  readonly expression?: string
  /** `interactions` has the column, too. */
  readonly isLatest?: boolean | undefined
}

/** `nanos` are below the millisecond; a timestamptz holds microseconds. */
const moment = (epochMs: number, nanos = 0): string | null => {
  if (!isMoment(epochMs)) return null
  const micros = Math.floor(nanos / 1_000)
  return `${new Date(epochMs).toISOString().slice(0, -1)}${String(micros).padStart(3, '0')}Z`
}

/** The values are JSON texts already. */
const attributesJson = (attributes: RowEvent['attributes']): string =>
  `{${Object.entries(attributes)
    .map(([name, json]) => `${JSON.stringify(name)}:${json}`)
    .join(',')}}`

/** How PostgreSQL holds each type of field. */
const TYPES: {
  readonly [Type in EventFieldType]: Pick<Column, 'type' | 'expression'> & {
    readonly toSql: (value: EventFieldValues[Type]) => unknown
  }
} = {
  text: { type: 'text', toSql: storedText },
  hex: { type: 'bytea', toSql: (hex) => Buffer.from(hex, 'hex') },
  moment: { type: 'timestamptz', toSql: (epochMs) => moment(epochMs) },
  int: { type: 'integer', toSql: (int) => int },
  long: { type: 'bigint', toSql: String },
  bytes: { type: 'bytea', toSql: (bytes) => bytes },
  // Arrays of arrays must be rectangular, so a list travels as one text.
  texts: { type: 'text', toSql: (texts) => texts.join(','), expression: `string_to_array($, ',')` },
  jsonTexts: { type: 'jsonb', toSql: (texts) => jsonbOf(Buffer.from(attributesJson(texts))).json },
}

/** Columns that hold more than their own field. */
const VALUES: Partial<Record<EventFieldName, Column['valueOf']>> = {
  occurredAt: ({ occurredAt, occurredAtNanos }) =>
    occurredAt === null ? null : moment(occurredAt, occurredAtNanos ?? 0),
}

const columnOfField = ([field, { type, isLatest }]: readonly [EventFieldName, EventField]): Column => {
  const { toSql, ...facts } = TYPES[type] as (typeof TYPES)['text']
  const valueOf = (event: RowEvent): unknown => {
    const value = event[field] as string | null
    return value === null ? null : toSql(value)
  }
  return { name: columnOf(field), ...facts, valueOf: VALUES[field] ?? valueOf, isLatest }
}

/** In the order of the statement's parameters. */
export const COLUMNS: readonly Column[] = [
  ...eventFields.filter(([, { isStored = true }]) => isStored).map(columnOfField),
  {
    name: 'schema_version_number',
    type: 'integer',
    valueOf: ({ schemaVersionNumber }) => schemaVersionNumber ?? null,
  },
  { name: 'payload', type: 'jsonb', valueOf: (_, { json }) => json, isLatest: true },
  { name: 'payload_sanitised', type: 'boolean', valueOf: (_, { sanitised }) => sanitised },
]

const payloadOf = ({ raw, bodyForm, schemaVersion }: RowEvent): Jsonb => {
  const body = jsonBody({ raw, bodyForm: parseBodyForm(bodyForm) })
  return schemaVersion === OPAQUE_SHAPE ? textJsonb(body) : jsonbOf(body)
}

/** The statement's parameters: an array of values for each column. */
export const parametersOf = (events: readonly RowEvent[]): unknown[][] => {
  const payloads = events.map(payloadOf)
  return COLUMNS.map(({ valueOf }) => events.map((event, index) => valueOf(event, payloads[index]!)))
}
