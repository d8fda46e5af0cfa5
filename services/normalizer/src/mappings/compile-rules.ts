import { createRequire } from 'node:module'
import { numberText, replaceExactNumbers, type JsonValue } from '@weir/exact-json'
import { UTC, zoneOffset, type ZoneOffset } from '../occurred-at.ts'
import type { SourceRules, UnknownFields } from './mapping.ts'

/** Rules of a source, compiled. */
export interface CompiledRules {
  readonly unknownFields: UnknownFields
  /** Bodies may be other than JSON. */
  readonly isOpaque: boolean
  /** Offset for times without a zone. */
  readonly zone: ZoneOffset
  /** Whether the source may use a declared schema version. */
  readonly supports: (declaredVersion: string) => boolean
  /** The rule of the JSON Schema that the payload violates, if any. Never quotes the payload. */
  readonly brokenRule: (payload: unknown) => string | undefined
}

/** A JSON Schema or a time zone is invalid. The message says why. */
export class InvalidSchemaError extends Error {
  override readonly name = 'InvalidSchemaError'
}

export const NO_RULES: CompiledRules = {
  unknownFields: 'evolve',
  isOpaque: false,
  zone: UTC,
  supports: () => true,
  brokenRule: () => undefined,
}

const SCHEMA_CHARS_MAX = 262_144
const require = createRequire(import.meta.url)

interface Validate {
  (payload: unknown): boolean
  errors?: readonly { readonly schemaPath: string; readonly message?: string }[] | null
}
type AjvClass = new (options: object) => { compile(schema: object): Validate }

const compileSchema = (source: string, schema: object): CompiledRules['brokenRule'] => {
  const fail = (why: string): never => {
    throw new InvalidSchemaError(`the JSON Schema of ${source}: ${why}`)
  }
  if (JSON.stringify(schema).length > SCHEMA_CHARS_MAX)
    fail(`it has more than ${SCHEMA_CHARS_MAX} characters`)
  // Loaded on demand, because few installations have a schema.
  const Ajv = (require('ajv') as { default: AjvClass }).default
  const secureMeta = require('ajv/lib/refs/json-schema-secure.json') as object
  // Otherwise a payload could make a pattern or a search for equal items take very long.
  const isSecure = new Ajv({ strict: false, logger: false }).compile(secureMeta)
  if (!isSecure(schema)) {
    const [first] = isSecure.errors ?? []
    fail(
      `add maxLength where it has pattern or format, and maxItems where it has uniqueItems (${first?.schemaPath ?? ''})`,
    )
  }
  let validate: Validate | undefined
  try {
    validate = new Ajv({
      strict: true,
      strictRequired: false,
      allErrors: false,
      validateFormats: false,
      logger: false,
    }).compile(schema)
  } catch (error) {
    return fail((error as Error).message)
  }
  return (payload) => {
    try {
      // JSON Schema checks doubles, and would take an exact number for an object.
      const doubles = replaceExactNumbers(payload as JsonValue, (number) => Number(numberText(number)))
      if (validate(doubles)) return undefined
    } catch (error) {
      if (error instanceof RangeError) return 'schema: the body is nested too deeply for it'
      throw error
    }
    const [first] = validate.errors ?? []
    return `${first?.schemaPath ?? 'schema'}: ${first?.message ?? 'does not fit'}`.slice(0, 300)
  }
}

const compileZone = (source: string, timeZone: string): ZoneOffset => {
  try {
    return zoneOffset(timeZone)
  } catch {
    throw new InvalidSchemaError(
      `timeZone of ${source} is ${timeZone}: give UTC, an offset such as +02:00 or a name such as Europe/Berlin`,
    )
  }
}

/** Compiles the rules of each source. Throws an `InvalidSchemaError`. */
export const compileRules = (
  rules: Readonly<Record<string, SourceRules>>,
): ReadonlyMap<string, CompiledRules> =>
  new Map(
    Object.entries(rules).map(([source, { body, unknownFields, timeZone, schemaVersions, jsonSchema }]) => {
      const supported = schemaVersions && new Set(schemaVersions)
      return [
        source,
        {
          unknownFields: unknownFields ?? NO_RULES.unknownFields,
          isOpaque: body === 'opaque',
          zone: timeZone === undefined ? NO_RULES.zone : compileZone(source, timeZone),
          supports: supported === undefined ? NO_RULES.supports : (version: string) => supported.has(version),
          brokenRule: jsonSchema === undefined ? NO_RULES.brokenRule : compileSchema(source, jsonSchema),
        },
      ]
    }),
  )
