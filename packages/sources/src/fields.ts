import { parseSequence, SEQUENCE_MAX } from '@weir/contracts'
import { canonicalNumber, isContainer, isJsonObject, isNumber, numberText } from '@weir/exact-json'
import type { Identified, Identity, JsonObject, JsonValue, RequestFacts } from './source.ts'

export const ID_BYTES_MAX = 512

export const asObject = (value: JsonValue | undefined): JsonObject | undefined =>
  isJsonObject(value) ? value : undefined

export const identified = (identity: Identity): Identified => ({ kind: 'identified', identity })

export const wrongType = (field: string, wanted: string, answer?: string): Identified => ({
  kind: 'problem',
  problem: {
    reason: 'wrong_type',
    detail: `${field} is not ${wanted}`,
    ...(answer !== undefined && { answer }),
  },
})

/**
 * An identifier is a non-empty text of limited length that every store keeps unchanged, so it has no NUL and no lone
 * surrogate. A number counts as the digits that were sent.
 */
export const idOf = (value: JsonValue | undefined): string | undefined => {
  const text = isNumber(value) ? numberText(value) : value
  if (typeof text !== 'string' || text === '' || Buffer.byteLength(text) > ID_BYTES_MAX) return undefined
  return text.isWellFormed() && !text.includes('\0') ? text : undefined
}

/** The JSON types that an identifier may have. */
export type IdForm = 'a text' | 'a text or a number'

/** Explains why `idOf` returned nothing. `field` is the payload's name for the value. */
export const noId = (
  field: string,
  value: JsonValue | undefined,
  { answer, form = 'a text or a number' }: { readonly answer?: string; readonly form?: IdForm } = {},
): Identified => {
  const isAbsent = value === undefined || value === null || value === ''
  return {
    kind: 'problem',
    problem: {
      reason: isAbsent ? 'missing_field' : 'wrong_type',
      detail: `${field} ${faultOf(value, form)}`,
      ...(answer !== undefined && { answer }),
    },
  }
}

const faultOf = (value: JsonValue | undefined, form: IdForm): string => {
  if (value === undefined) return 'is missing'
  if (value === null) return 'is null'
  if (value === '') return 'is empty'
  if (typeof value !== 'string' && !(isNumber(value) && form === 'a text or a number')) {
    return `is ${NAMED_TYPES[typeName(value)]}, not ${form}`
  }
  const text = isNumber(value) ? numberText(value) : value
  if (Buffer.byteLength(text) > ID_BYTES_MAX) return `is longer than ${ID_BYTES_MAX} bytes`
  return text.includes('\0') ? 'has a NUL character' : 'has half of a surrogate pair'
}

const NAMED_TYPES: Readonly<Record<string, string>> = {
  array: 'an array',
  boolean: 'true or false',
  number: 'a number',
  object: 'an object',
}

/** More zeros than any 64-bit number has. */
const ZEROS_MAX = 18

/**
 * An integer of up to 64 bits. It may be a text of digits, because templates quote every value. `1.0` and `1e3` are
 * integers too.
 */
export const sequenceOf = (value: JsonValue | undefined): bigint | undefined => {
  if (typeof value === 'string') return parseSequence(value)
  if (!isNumber(value)) return undefined
  const text = numberText(value)
  const written = parseSequence(text)
  if (written !== undefined) return written
  const [digits = '', power = '0'] = canonicalNumber(text).split('e')
  const zeros = Number(power)
  return zeros >= 0 && zeros <= ZEROS_MAX ? parseSequence(digits + '0'.repeat(zeros)) : undefined
}

/** Like `noId`, for a header. */
export const noHeader = (name: string, facts: RequestFacts): Identified => {
  const field = `header ${name}`
  const count = facts.headerCount?.(name) ?? 0
  return count > 1
    ? wrongType(field, 'there once')
    : noId(field, facts.header(name) ?? (count === 1 ? '' : undefined))
}

/** Explains why `sequenceOf` returned nothing. */
export const noSequence = (field: string, value: JsonValue | undefined): Identified =>
  value === undefined || value === null || value === ''
    ? noId(field, value)
    : wrongType(field, `a whole number from 0 to ${SEQUENCE_MAX}`)

/** A moment as ISO text or epoch ms. It is not parsed, because only its text becomes part of a key. */
export const momentOf = (value: JsonValue | undefined): string | undefined => idOf(value)

export const typeName = (value: JsonValue): string =>
  value === null ? 'null' : Array.isArray(value) ? 'array' : isNumber(value) ? 'number' : typeof value

/** The value at a path of names and array indexes. Undefined if it is absent. Only own properties count. */
export const valueAt = (payload: JsonValue, path: readonly string[]): JsonValue | undefined => {
  let value: JsonValue | undefined = payload
  for (const name of path) {
    if (!isContainer(value) || !Object.hasOwn(value, name)) return undefined
    value = (value as JsonObject)[name]
  }
  return value
}
