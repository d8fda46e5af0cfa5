import { MAPPED_FIELDS, nullFields, storedText, type MappedField } from '@weir/contracts'
import { isJsonObject } from '@weir/exact-json'
import {
  bracketed,
  compileMapping,
  textOf,
  type AttributeRoot,
  type CompiledMapping,
  type CompiledPart,
} from './compile-mapping.ts'
import type { Mapping } from './mapping.ts'

/** The result of a mapping. */
export interface Mapped {
  /** Null where the payload has no such part. */
  readonly parts: Readonly<Record<MappedField, string | null>>
  readonly partsMissing: readonly string[]
  /** Fields that no mapping names, as JSON texts. */
  readonly attributes: Readonly<Record<string, string>>
  /** Number of unknown fields that exceeded the limits of attributes. The raw bytes still have them. */
  readonly leftOut: number
}

/** Only the raw bytes keep a longer text. */
const PART_LENGTH_MAX = 32_768
const ATTRIBUTES_MAX = 200
/** Limit of all attributes together, so that an event is never much larger than its payload. */
const ATTRIBUTE_CHARS_MAX = 65_536

export class Mapper {
  readonly #bySource: ReadonlyMap<string, readonly CompiledMapping[]>

  /** Throws an `InvalidPartError` for an invalid path or expression. */
  constructor(mappings: readonly Mapping[]) {
    this.#bySource = Map.groupBy(mappings.map(compileMapping), ({ mapping }) => mapping.source)
  }

  /** The first mapping that fits; undefined if none does. */
  find(source: string, payload: object): CompiledMapping | undefined {
    return this.#bySource.get(source)?.find((one) => one.fits(payload))
  }

  /** Never throws. A part that the payload does not have is null and missing. */
  map({ parts, roots }: CompiledMapping, payload: object, keepAttributes: boolean): Mapped {
    const partsMissing: string[] = []
    const found: Record<MappedField, string | null> = { ...NO_PARTS }
    for (const part of parts) {
      const { field, described } = part
      if (described !== undefined && found[described] === null) continue
      found[field] = textOfPart(part, payload)
      if (found[field] === null && !part.isOptional) partsMissing.push(field)
    }
    const { attributes, leftOut } = keepAttributes ? attributesOf(roots, payload) : NO_ATTRIBUTES
    return { parts: found, partsMissing, attributes, leftOut }
  }
}

/** A copy of an object is much faster than an object to which fields are added one by one. */
const NO_PARTS = nullFields(MAPPED_FIELDS)
const NO_ATTRIBUTES = { attributes: {}, leftOut: 0 }

const textOfPart = ({ alternatives, constant }: CompiledPart, payload: object): string | null => {
  let isEmpty = false
  for (const extract of alternatives) {
    const text = textOf(extract(payload))
    if (text === '') isEmpty = true
    else if (text !== null && text.length <= PART_LENGTH_MAX) return text.toWellFormed()
  }
  // An empty text counts only if neither another alternative nor the constant has a value.
  return constant ?? (isEmpty ? '' : null)
}

/** Whether a payload has a field that no mapping names. */
export const hasUnknownFields = ({ roots }: CompiledMapping, payload: object): boolean =>
  roots.some(({ object, named }) => {
    const value = object(payload)
    return isJsonObject(value) && Object.keys(value).some((name) => !named.has(name))
  })

const attributesOf = (roots: readonly AttributeRoot[], payload: object) => {
  const attributes: Record<string, string> = {}
  let count = 0
  let chars = 0
  let leftOut = 0
  for (const { object, named, prefix, nameOf } of roots) {
    const value = object(payload)
    if (!isJsonObject(value)) continue
    let taken: Set<string> | undefined
    for (const name in value) {
      if (named.has(name)) continue
      const json = count < ATTRIBUTES_MAX ? jsonOf(value[name]) : undefined
      const size = name.length + (json?.length ?? 0)
      if (json === undefined || chars + size > ATTRIBUTE_CHARS_MAX) {
        leftOut += 1
      } else {
        // A plain assignment to this name would set the prototype.
        if (name === '__proto__' && prefix === '') defineOwn(attributes, name, json)
        else if (isStorable(name) || !isTaken(name, value, (taken ??= new Set()))) {
          attributes[nameOf(name)] = json
        } else attributes[bracketed(prefix, name)] = json
        count += 1
        chars += size
      }
    }
  }
  return { attributes, leftOut }
}

/** Whether a text column can hold the name unchanged. */
const isStorable = (name: string): boolean => name.isWellFormed() && !name.includes('\0')

/** Whether another field is stored under the same name. `taken` collects the stored names of earlier fields. */
const isTaken = (name: string, object: object, taken: Set<string>): boolean => {
  const stored = storedText(name)
  if (Object.hasOwn(object, stored) || taken.has(stored)) return true
  taken.add(stored)
  return false
}

const defineOwn = (object: object, name: string, value: string): void => {
  Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true })
}

/** `JSON.stringify` writes only a lone surrogate as such an escape. Other escapes are skipped as a whole. */
const ESCAPE = /\\(?:u(d[89a-f][\da-f]{2})|.)/g

/** The beginning of the escape of a lone surrogate. */
const HALF = '\\ud'

/** Undefined for values that are nested too deeply: `JSON.stringify` has less room on the stack than `JSON.parse`. */
const jsonOf = (value: unknown): string | undefined => {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  try {
    const json = JSON.stringify(value)
    if (!json.includes(HALF)) return json
    return json.replace(ESCAPE, (escape: string, half?: string) =>
      half === undefined ? escape : String.raw`\ufffd`,
    )
  } catch {
    return undefined
  }
}
