import { isAscii, isUtf8 } from 'node:buffer'
import type { DeadLetterReason } from '@weir/contracts'
import { isExactNumber, isJsonObject, parseExactJson, type JsonValue } from '@weir/exact-json'

export type Parsed =
  | { readonly kind: 'parsed'; readonly value: JsonValue }
  | { readonly kind: 'problem'; readonly reason: DeadLetterReason; readonly detail: string }

const DEPTH_MAX = 64

const problem = (reason: DeadLetterReason, detail: string): Parsed => ({ kind: 'problem', reason, detail })

/**
 * JSON that every parser reads in the same way: UTF-8, no repeated key in an object, no `__proto__` or
 * `constructor.prototype`, only finite numbers, at most 64 levels. Never throws.
 */
export const parseStrictJson = (raw: Buffer): Parsed => {
  const ascii = isAscii(raw)
  if (!ascii && !isUtf8(raw)) return problem('invalid_encoding', 'not valid UTF-8')
  const { colons, isPlain } = scan(raw)
  if (colons === TOO_DEEP) return problem('unsafe_json', `more than ${DEPTH_MAX} levels`)
  const text = raw.toString(ascii ? 'latin1' : 'utf8')
  let value: JsonValue
  try {
    value = isPlain ? (JSON.parse(text) as JsonValue) : parseExactJson(text)
  } catch {
    return problem('invalid_json', 'not JSON')
  }
  const keys = countKeys(value)
  if (keys === FORBIDDEN_KEY) return problem('unsafe_json', 'a key that would change the prototype')
  if (keys === NOT_FINITE) return problem('unsafe_json', 'a number outside the range of a double')
  if (keys !== colons) return problem('unsafe_json', 'a duplicate key in one object')
  return { kind: 'parsed', value }
}

const TOO_DEEP = -1
const QUOTE = 0x22
const COLON = 0x3a
const BACKSLASH = 0x5c
const MINUS = 0x2d
const DOT = 0x2e
const ZERO = 0x30
const NINE = 0x39
const UPPER_E = 0x45
const E = 0x65
/** Every integer with this many digits is exact as a double. */
const DIGITS_MAX = 15
/** `[` and `{`, and `]` and `}`, differ in only this bit. */
const BRACE_BIT = 0x20
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

interface Scan {
  /** The number of keys in the text: in valid JSON each colon outside strings follows a key. */
  readonly colons: number
  /**
   * No string has an escape and every number is a short integer, so `JSON.parse` and `parseExactJson` return the same.
   */
  readonly isPlain: boolean
}

/** Runs before `JSON.parse`, which would exhaust the stack if the nesting is too deep. */
const scan = (raw: Buffer): Scan => {
  let depth = 0
  let colons = 0
  let isPlain = true
  const length = raw.length
  for (let i = 0; i < length; i++) {
    const byte = raw[i]!
    if (byte === QUOTE) {
      i += 1
      while (i < length && raw[i] !== QUOTE) {
        if (raw[i] === BACKSLASH) {
          isPlain = false
          i += 1
        }
        i += 1
      }
    } else if (byte === COLON) {
      colons += 1
    } else if ((byte | BRACE_BIT) === OPEN_BRACE) {
      depth += 1
      if (depth > DEPTH_MAX) return { colons: TOO_DEEP, isPlain }
    } else if ((byte | BRACE_BIT) === CLOSE_BRACE) {
      depth -= 1
    } else if (byte <= NINE && byte >= MINUS) {
      const start = i
      while (i + 1 < length && isDigit(raw[i + 1]!)) i += 1
      const next = raw[i + 1]
      if (byte === MINUS || i - start >= DIGITS_MAX || next === DOT || next === E || next === UPPER_E)
        isPlain = false
    }
  }
  return { colons, isPlain }
}

const isDigit = (byte: number): boolean => byte <= NINE && byte >= ZERO

const FORBIDDEN_KEY = -1
const NOT_FINITE = -2

/** The number of parsed keys on all levels, or what is wrong with them. */
const countKeys = (value: JsonValue): number => {
  if (typeof value === 'number') return Number.isFinite(value) ? 0 : NOT_FINITE
  if (typeof value !== 'object' || value === null) return 0
  if (isExactNumber(value)) return Number.isFinite(Number(value.rawJSON)) ? 0 : NOT_FINITE
  let keys = 0
  if (Array.isArray(value)) {
    for (const one of value as readonly JsonValue[]) {
      const inner = countKeys(one)
      if (inner < 0) return inner
      keys += inner
    }
    return keys
  }
  const object = value as Readonly<Record<string, JsonValue>>
  for (const name in object) {
    if (name === '__proto__') return FORBIDDEN_KEY
    const one = object[name]!
    if (name === 'constructor' && isJsonObject(one) && Object.hasOwn(one, 'prototype')) return FORBIDDEN_KEY
    const inner = countKeys(one)
    if (inner < 0) return inner
    keys += 1 + inner
  }
  return keys
}
