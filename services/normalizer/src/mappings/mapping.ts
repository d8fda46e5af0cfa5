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
/** A JSONPath, or a JMESPath expression for what a path cannot say. */
export type PartSource = z.infer<typeof partSource>

const field = z.enum(MAPPED_FIELDS)
const parts = z.union([
  partSource.transform((one) => [one]),
  z.array(partSource).min(1).max(20) as z.ZodType<PartSource[]>,
])

const mapping = z.strictObject({
  /** Unique. A mapping replaces a built-in mapping of the same name. */
  name: text,
  source: text,
  /** The mapping applies if this part has one of these values. Absent: to all payloads that no earlier mapping fits. */
  when: z.strictObject({ path: partSource, oneOf: z.array(text).min(1).max(200) }).optional(),
  /** Alternatives for each field, tried in order. A field without a value is null and listed in `partsMissing`. */
  fields: z.partialRecord(field, parts),
  /** Fields that a payload may lack. `partsMissing` does not list them. */
  optional: z.array(field).default([]),
  constants: z.partialRecord(field, text).default({}),
  /** Objects whose unknown fields are kept as attributes. */
  attributesFrom: z.array(text).min(1).max(10).default(['$']),
  /** Paths of fields that need not be kept as attributes, such as parts of the event key. */
  known: z.array(text).max(500).default([]),
})
export type Mapping = z.infer<typeof mapping>

export const UNKNOWN_FIELDS = ['evolve', 'ignore', 'reject'] as const
/**
 * How to treat fields that no mapping names. `evolve`: keep them as attributes. `ignore`: keep them only in the raw
 * bytes. `reject`: hold the event as a dead letter until its shape is approved.
 */
export type UnknownFields = (typeof UNKNOWN_FIELDS)[number]

const sourceRules = z.strictObject({
  /** `opaque`: a body may be other than JSON, and then the event has only its raw bytes. Absent: `json`. */
  body: z.enum(['json', 'opaque']).optional(),
  unknownFields: z.enum(UNKNOWN_FIELDS).optional(),
  /** Zone for times without one: `UTC`, an offset such as `+02:00` or an IANA name. Absent: UTC. */
  timeZone: text.optional(),
  /** Supported values of the declared schema version. Absent: all. */
  schemaVersions: z
    .array(z.union([text, z.number().transform(String)]))
    .max(1_000)
    .optional(),
  /** JSON Schema (draft-07) of the payload. A payload that violates it becomes a dead letter. */
  jsonSchema: z.record(z.string(), z.unknown()).optional(),
})
export type SourceRules = z.infer<typeof sourceRules>

const mappingTest = z.strictObject({
  name: text,
  source: text,
  input: z.unknown(),
  /** Expected fields of the event. Other fields are not compared. */
  expected: z.record(z.string(), z.unknown()).optional(),
  /** The expected reason of a dead letter, instead of an event. */
  deadLetter: text.optional(),
})
export type MappingTest = z.infer<typeof mappingTest>

/** The content of a mapping file. */
export const mappingFile = z.strictObject({
  sources: z.record(z.string(), sourceRules).default({}),
  mappings: z.array(mapping).max(1_000).default([]),
  tests: z.array(mappingTest).max(10_000).default([]),
})
export type MappingFile = z.infer<typeof mappingFile>
