import { parseSequence } from '@weir/contracts'
import { isContainer, isJsonObject, isNumber, numberText } from '@weir/exact-json'
import type { Identified, Identity, JsonObject, JsonValue } from './source.ts'

const ID_BYTES_MAX = 512

export const asObject = (value: JsonValue | undefined): JsonObject | undefined =>
  isJsonObject(value) ? value : undefined

export const identified = (identity: Identity): Identified => ({ kind: 'identified', identity })

export const missing = (field: string, answer?: string): Identified => ({
  kind: 'problem',
  problem: {
    reason: 'missing_field',
    detail: `${field} is missing`,
    ...(answer !== undefined && { answer }),
  },
})

export const wrongType = (field: string, wanted: string, answer?: string): Identified => ({
  kind: 'problem',
  problem: {
    reason: 'wrong_type',
    detail: `${field} is not ${wanted}`,
    ...(answer !== undefined && { answer }),
  },
})

/** An identifier: a text that is not empty, not absurdly long, and the same in every store: no NUL, no lone surrogate. A number is taken as the digits that were sent. */
export const idOf = (value: JsonValue | undefined): string | undefined => {
  const text = isNumber(value) ? numberText(value) : value
  if (typeof text !== 'string' || text === '' || Buffer.byteLength(text) > ID_BYTES_MAX) return undefined
  return text.isWellFormed() && !text.includes('\0') ? text : undefined
}

/** So many digits, and a double that is a whole number is exactly what they say. */
const DOUBLE_DIGITS = 15
const EXPONENT = /e.*$/i

/** A whole number of up to 64 bits, also as text: templates quote every value. `1.0` and `1e3` are whole, too. */
export const sequenceOf = (value: JsonValue | undefined): bigint | undefined => {
  if (typeof value === 'string') return parseSequence(value)
  if (!isNumber(value)) return undefined
  const text = numberText(value)
  const exact = parseSequence(text)
  if (exact !== undefined || text.replace(/\D/g, '').length > DOUBLE_DIGITS) return exact
  const number = Number(text)
  // `1e-400` is no double but zero, and no whole number either.
  const isUnderflow = number === 0 && /[1-9]/.test(text.replace(EXPONENT, ''))
  return Number.isSafeInteger(number) && number >= 0 && !isUnderflow ? BigInt(number) : undefined
}

/** A moment: ISO text or epoch ms. Only its text enters a key, so nothing is parsed. */
export const momentOf = (value: JsonValue | undefined): string | undefined => idOf(value)

export const typeName = (value: JsonValue): string =>
  value === null ? 'null' : Array.isArray(value) ? 'array' : isNumber(value) ? 'number' : typeof value

/** The value at a path of names, and of places in arrays; undefined where there is none. Own properties only. */
export const valueAt = (payload: JsonValue, path: readonly string[]): JsonValue | undefined => {
  let value: JsonValue | undefined = payload
  for (const name of path) {
    if (!isContainer(value) || !Object.hasOwn(value, name)) return undefined
    value = (value as JsonObject)[name]
  }
  return value
}
