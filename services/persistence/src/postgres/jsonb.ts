import { isUtf8 } from 'node:buffer'
import { REPLACEMENT, storedText } from '@weir/contracts'

export interface Jsonb {
  readonly json: string
  /** Whether it differs from the bytes of the body. */
  readonly sanitised: boolean
}

/**
 * An escaped surrogate pair, code unit or other character. It also matches an escaped backslash, which starts no
 * escape.
 */
const ESCAPE = /\\(?:u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|u([\da-fA-F]{4})|.)/g
const LONE_SURROGATE = /^d[89a-f]/i

/** Replaces escapes in the text. Parsing and writing it again would lose digits and could overflow the stack. */
const sanitiseEscapes = (json: string): string =>
  json.replace(ESCAPE, (escape: string, unit?: string) =>
    unit !== undefined && (unit === '0000' || LONE_SURROGATE.test(unit)) ? String.raw`\ufffd` : escape,
  )

/** Matches if the text may have a number with hundreds of digits or an exponent of three digits. */
const MAYBE_TOO_MUCH = /\d[eE][+-]?\d{3}|[\d.]{300}/
const STRING_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g
const PLACES_MAX = 1_000

/**
 * Turns numbers of more than 1,000 digits, exponent included, into strings. A numeric of PostgreSQL can hold up to
 * 131,072 digits, but then a number of ten characters takes 64 KB.
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

/** A body that is not JSON, as a JSON string. */
export const textJsonb = (raw: Buffer): Jsonb => ({
  json: JSON.stringify(storedText(raw.toString())),
  sanitised: true,
})

/** A JSON body as text for jsonb. Its exact bytes are in another column. */
export const jsonbOf = (raw: Buffer): Jsonb => {
  const text = raw.toString()
  // Ingress has checked that the body is UTF-8 unless its source is opaque, so NUL and lone surrogates are escapes.
  const isExact = !text.includes(REPLACEMENT) || isUtf8(raw)
  const held = holdNumbers(text)
  const json = held.includes(String.raw`\u`) ? sanitiseEscapes(held) : held
  return { json, sanitised: !isExact || json !== text }
}
