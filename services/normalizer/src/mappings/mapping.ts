import { columnOf, EVENT_FIELDS, MAPPED_FIELDS } from '@weir/contracts'
import { z } from 'zod'

/** Every field that a mapping can fill, as a table in Markdown. */
export const describeMappedFields = (): string => {
  const code = (text: string): string => `\`${text}\``
  const rows = [
    ['field', 'column of `events`', 'what belongs there'],
    ...MAPPED_FIELDS.map((field) => [code(field), code(columnOf(field)), EVENT_FIELDS[field].meaning]),
  ]
  const widths = rows[0]!.map((_, at) => Math.max(...rows.map((row) => row[at]!.length)))
  const [head, ...body] = rows.map((row) => row.map((cell, at) => cell.padEnd(widths[at]!)))
  const rule = widths.map((width) => '-'.repeat(width))
  return [head!, rule, ...body].map((cells) => `| ${cells.join(' | ')} |\n`).join('')
}

const text = z.string().min(1).max(1_000)
const partSource = z.union([text, z.strictObject({ jmespath: text })])
/** A JSONPath, or a JMESPath expression where a path is not enough. */
export type PartSource = z.infer<typeof partSource>

const field = z.enum(MAPPED_FIELDS)
const parts = z.union([
  partSource.transform((one) => [one]),
  z.array(partSource).min(1).max(20) as z.ZodType<PartSource[]>,
])

const mapping = z.strictObject({
  /** Unique; a mapping of the same name takes the place of a built-in one. */
  name: text,
  source: text,
  /** Payloads of the source for which this part is one of these values; absent: all that no mapping before it takes. */
  when: z.strictObject({ path: partSource, oneOf: z.array(text).min(1).max(200) }).optional(),
  /** Where each field is; alternatives are tried in order. What none of them gives is null and named in `partsMissing`. */
  fields: z.partialRecord(field, parts),
  /** Fields that a payload may well lack: not named as missing. */
  optional: z.array(field).default([]),
  constants: z.partialRecord(field, text).default({}),
  /** Objects whose unknown fields are kept as attributes. */
  attributesFrom: z.array(text).min(1).max(10).default(['$']),
  /** Paths of fields that are known and need not be kept as attributes, such as parts of the event's key. */
  known: z.array(text).max(500).default([]),
})
export type Mapping = z.infer<typeof mapping>

export const UNKNOWN_FIELDS = ['evolve', 'ignore', 'reject'] as const
/**
 * What becomes of a payload with fields that no mapping names. `evolve`: kept as attributes; `ignore`: only in the raw
 * bytes; `reject`: held as a dead letter until its shape is approved.
 */
export type UnknownFields = (typeof UNKNOWN_FIELDS)[number]

const sourceRules = z.strictObject({
  /** `opaque`: bodies need not be JSON; what is none becomes an event of raw bytes alone. Absent: `json`. */
  body: z.enum(['json', 'opaque']).optional(),
  unknownFields: z.enum(UNKNOWN_FIELDS).optional(),
  /** Zone of times that name none: `UTC`, an offset such as `+02:00` or an IANA name; absent: UTC. */
  timeZone: text.optional(),
  /** Values of a declared schema version that are supported; absent: every one. */
  schemaVersions: z
    .array(z.union([text, z.number().transform(String)]))
    .max(1_000)
    .optional(),
  /** JSON Schema (draft-07) of the raw payload; a payload that does not fit is a dead letter. */
  jsonSchema: z.record(z.string(), z.unknown()).optional(),
})
export type SourceRules = z.infer<typeof sourceRules>

const mappingTest = z.strictObject({
  name: text,
  source: text,
  input: z.unknown(),
  /** Fields of the event and what they must be; other fields are not compared. */
  expected: z.record(z.string(), z.unknown()).optional(),
  /** Instead: the dead letter's reason. */
  deadLetter: text.optional(),
})
export type MappingTest = z.infer<typeof mappingTest>

/** What a file of mappings holds. */
export const mappingFile = z.strictObject({
  sources: z.record(z.string(), sourceRules).default({}),
  mappings: z.array(mapping).max(1_000).default([]),
  tests: z.array(mappingTest).max(10_000).default([]),
})
export type MappingFile = z.infer<typeof mappingFile>
