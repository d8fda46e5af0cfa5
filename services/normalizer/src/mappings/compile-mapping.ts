import { EVENT_FIELDS, MAPPED_FIELDS, type EventField, type MappedField } from '@weir/contracts'
import { isExactNumber } from '@weir/exact-json'
import { compilePart, InvalidPartError, plainSegments, type Extract } from './compile-part.ts'
import type { Mapping, PartSource } from './mapping.ts'

/** A mapping with its paths compiled. */
export interface CompiledMapping {
  readonly mapping: Mapping
  fits(payload: object): boolean
  /** The fields that the mapping has, each after the one that it describes. */
  readonly parts: readonly CompiledPart[]
  /** Objects that may have fields without a mapping. */
  readonly roots: readonly AttributeRoot[]
}

export interface CompiledPart {
  readonly field: MappedField
  /** Tried in order. */
  readonly alternatives: readonly Extract[]
  readonly constant: string | undefined
  readonly isOptional: boolean
  /** The field without which this one is null. */
  readonly described: MappedField | undefined
}

export interface AttributeRoot {
  /** Prefix of attribute names; empty for top-level fields. */
  readonly prefix: string
  /** Gives the attribute name of a field. */
  readonly nameOf: (field: string) => string
  readonly object: Extract
  readonly named: ReadonlySet<string>
}

const describedBy = (field: MappedField): MappedField | undefined =>
  (EVENT_FIELDS[field] as EventField).describes

const DESCRIBED = new Set(MAPPED_FIELDS.map(describedBy))
/** Fields that others describe are read first. The order is that of `partsMissing`, which rows hold. */
const READ_ORDER = [
  ...MAPPED_FIELDS.filter((field) => DESCRIBED.has(field)),
  ...MAPPED_FIELDS.filter((field) => !DESCRIBED.has(field)),
]

/** Throws an `InvalidPartError` that names the mapping and the path. */
export const compileMapping = (mapping: Mapping): CompiledMapping => {
  const compile = (source: PartSource): Extract => {
    try {
      return compilePart(source)
    } catch (error) {
      if (!(error instanceof InvalidPartError)) throw error
      throw new InvalidPartError(`mapping ${mapping.name}: ${describePart(source)}: ${error.message}`)
    }
  }
  const { when } = mapping
  const whenValue = when && compile(when.path)
  const accepted = new Set(when?.oneOf)
  return {
    mapping,
    fits:
      whenValue === undefined ? () => true : (payload) => accepted.has(String(textOf(whenValue(payload)))),
    parts: READ_ORDER.flatMap((field) => {
      const sources = mapping.fields[field] ?? []
      const constant = mapping.constants[field]
      if (sources.length === 0 && constant === undefined) return []
      const isOptional = mapping.optional.includes(field)
      const alternatives = sources.map(compile)
      return [{ field, alternatives, constant, isOptional, described: describedBy(field) }]
    }),
    roots: attributeRoots(mapping),
  }
}

export const describePart = (source: PartSource): string =>
  typeof source === 'string' ? source : `jmespath ${source.jmespath}`

/** A string, a number with the digits that were sent, or a boolean, as text. Null for any other value. */
export const textOf = (value: unknown): string | null => {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  return isExactNumber(value) ? value.rawJSON : null
}

/** All plain paths in a mapping: fields, known fields, conditions and attribute roots. */
const knownPaths = ({ fields, known, when, attributesFrom }: Mapping): (readonly (string | number)[])[] => {
  const sources = [...Object.values(fields).flat(), ...(when ? [when.path] : []), ...known, ...attributesFrom]
  return sources.flatMap((source) => {
    const segments = typeof source === 'string' ? plainSegments(source) : undefined
    return segments === undefined ? [] : [segments]
  })
}

const attributeRoot = (path: string, mapping: Mapping): AttributeRoot => {
  const segments = plainSegments(path)
  if (segments === undefined) {
    throw new InvalidPartError(`mapping ${mapping.name}: attributesFrom: ${path} is not a plain path`)
  }
  const below = knownPaths(mapping).filter(
    (one) => one.length > segments.length && segments.every((segment, i) => one[i] === segment),
  )
  const prefix = segments.length === 0 ? '' : `${segments.join('.')}.`
  return {
    prefix,
    nameOf: (field) => (field.startsWith('["') ? bracketed(prefix, field) : (prefix + field).toWellFormed()),
    object: compilePart(path),
    named: new Set(below.map((one) => String(one[segments.length]))),
  }
}

/** The name with its escapes, such as `["a\u0000"]`, which is unique for each field. */
export const bracketed = (prefix: string, field: string): string => `${prefix}[${JSON.stringify(field)}]`

/** A field `data.region` beside the field `region` of `data` is written `["data.region"]`, so that both are kept. */
const attributeRoots = (mapping: Mapping): AttributeRoot[] => {
  const roots = mapping.attributesFrom.map((path) => attributeRoot(path, mapping))
  return roots.map((root) => {
    const deeper = roots.map(({ prefix }) => prefix).filter((prefix) => prefix.length > root.prefix.length)
    if (deeper.length === 0) return root
    return {
      ...root,
      nameOf: (field) => {
        const name = root.nameOf(field)
        return deeper.some((prefix) => name.startsWith(prefix)) ? bracketed(root.prefix, field) : name
      },
    }
  })
}
