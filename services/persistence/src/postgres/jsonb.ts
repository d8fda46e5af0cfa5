import { isUtf8 } from 'node:buffer'
import { REPLACEMENT, storedText } from '@weir/contracts'

export interface Jsonb {
  readonly json: string
  /** Whether it says something else than the bytes that it was made of. */
  readonly sanitised: boolean
}

/** A surrogate pair, another code unit, or another escape: so that a backslash that is itself escaped begins nothing. */
const ESCAPE = /\\(?:u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|u([\da-fA-F]{4})|.)/g
const LONE_SURROGATE = /^d[89a-f]/i

/** In the text itself, as deep as it may be nested: what is parsed and written again loses digits, and overflows the stack. */
const sanitiseEscapes = (json: string): string =>
  json.replace(ESCAPE, (escape: string, unit?: string) =>
    unit !== undefined && (unit === '0000' || LONE_SURROGATE.test(unit)) ? String.raw`\ufffd` : escape,
  )

/** What a number needs to be too much: hundreds of places, or an exponent of three digits. */
const MAYBE_TOO_MUCH = /\d[eE][+-]?\d{3}|[\d.]{300}/
const STRING_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g
const PLACES_MAX = 1_000

/**
 * Numbers beyond a thousand places become their own text. A numeric of PostgreSQL holds more, up to 131,072 places, but
 * not every number, and one of ten characters would take 64 KB.
 */
const holdNumbers = (json: string): string =>
  MAYBE_TOO_MUCH.test(json)
    ? json.replace(STRING_OR_NUMBER, (token) =>
        token.startsWith('"') || placesOf(token) <= PLACES_MAX ? token : JSON.stringify(token),
      )
    : json

const placesOf = (number: string): number => {
  const [digits = '', exponent = '0'] = number.split(/[eE]/)
  return digits.length + Math.abs(Number(exponent))
}

/** A body that is not JSON as a JSON text of one string. */
export const textJsonb = (raw: Buffer): Jsonb => ({
  json: JSON.stringify(storedText(raw.toString())),
  sanitised: true,
})

/** A body as JSON text for jsonb; the exact bytes are kept beside it. */
export const jsonbOf = (raw: Buffer): Jsonb => {
  const text = raw.toString()
  // A body of a source that is not opaque was checked to be UTF-8, so NUL and lone surrogates can only come as escapes.
  const isExact = !text.includes(REPLACEMENT) || isUtf8(raw)
  const held = holdNumbers(text)
  const json = held.includes(String.raw`\u`) ? sanitiseEscapes(held) : held
  return { json, sanitised: !isExact || json !== text }
}
