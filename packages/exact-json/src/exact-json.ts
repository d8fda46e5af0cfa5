import { hasEscapedName, respellNames } from './escaped-names.ts'

/**
 * JSON whose numbers keep their digits. A number that a double holds exactly, and that JavaScript would write as it was
 * sent, is a `number`; any other is an `ExactNumber` with the source text. `JSON.stringify` writes both as they were
 * sent (TC39 "JSON.parse source text access", in Node since version 21).
 */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | ExactNumber
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue }

export type JsonObject = Readonly<Record<string, JsonValue>>

/** The result of `JSON.rawJSON`: a frozen object without a prototype. */
export interface ExactNumber {
  readonly rawJSON: string
}

type Reviver = (name: string, value: unknown, context: { readonly source?: string }) => unknown

interface SourceTextAccess {
  parse(text: string, reviver: Reviver): unknown
  rawJSON(text: string): ExactNumber
  isRawJSON(value: unknown): boolean
}

/** The library of TypeScript lacks it. */
const json = JSON as unknown as SourceTextAccess

/**
 * Finds every number that JavaScript would write in another way: 16 digits or more, a fraction, an exponent, minus
 * zero. It may also match inside a string, which costs time and changes nothing. It looks at every character of every
 * body, so each alternative at its beginning counts: a number that is the whole text is found apart.
 */
const MAYBE_INEXACT = /[:[,](?=[\d\s-])(?:(?<=[[,])|(?<="\s*:))\s*-?(?:\d{16}|\d{1,15}[.eE]|(?<=-)0)/
const NUMBER_ALONE = /^\s*[-\d]/
/** Nearly all texts begin with this or a later character. */
const OPEN_BRACKET = 0x5b

const isMaybeInexact = (text: string): boolean =>
  (text.charCodeAt(0) < OPEN_BRACKET && NUMBER_ALONE.test(text)) || MAYBE_INEXACT.test(text)

/** Throws the errors of `JSON.parse`. */
export const parseExactJson = (text: string): JsonValue => {
  if (text.includes('\\') && hasEscapedName(text)) return parseRespelled(text)
  return (isMaybeInexact(text) ? json.parse(text, keepDigits) : JSON.parse(text)) as JsonValue
}

const keepDigits: Reviver = (_, value, { source }) =>
  typeof value === 'number' && source !== String(value) ? json.rawJSON(source!) : value

const parseRespelled = (text: string): JsonValue => {
  // Only valid JSON can be rewritten.
  JSON.parse(text)
  const { text: respelled, rename } = respellNames(text)
  return json.parse(respelled, (name, value, context) => {
    const exact = keepDigits(name, value, context)
    return isJsonObject(exact) ? rename(exact) : exact
  }) as JsonValue
}

/** The engine's own test is slow, and what was parsed is asked often: all other objects have a prototype. */
export const isExactNumber = (value: unknown): value is ExactNumber =>
  typeof value === 'object' &&
  value !== null &&
  Object.getPrototypeOf(value) === null &&
  json.isRawJSON(value)

/** Whether a value is a number, either a double or exact. */
export const isNumber = (value: unknown): value is number | ExactNumber =>
  typeof value === 'number' || isExactNumber(value)

/** The digits that were sent. */
export const numberText = (value: number | ExactNumber): string =>
  typeof value === 'number' ? String(value) : value.rawJSON

/** An object with fields: not an array, not null, not an exact number. */
export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !isExactNumber(value)

/** An object or an array. */
export const isContainer = (value: unknown): value is JsonObject | readonly JsonValue[] =>
  typeof value === 'object' && value !== null && !isExactNumber(value)

/**
 * With something else in the place of each exact number, for code that knows doubles alone. The same value where there
 * is none.
 */
export const replaceExactNumbers = (
  value: JsonValue,
  replacement: (number: ExactNumber) => JsonValue,
): JsonValue => {
  if (isExactNumber(value)) return replacement(value)
  if (!isContainer(value)) return value
  const replaced = (one: JsonValue): JsonValue => replaceExactNumbers(one, replacement)
  if (Array.isArray(value)) {
    const given = value as readonly JsonValue[]
    const made = given.map(replaced)
    return made.every((one, at) => one === given[at]) ? given : made
  }
  const given = value as JsonObject
  const made = Object.entries(given).map(([name, one]) => [name, replaced(one)] as const)
  return made.every(([name, one]) => one === given[name]) ? value : Object.fromEntries(made)
}
