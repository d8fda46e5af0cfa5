import { isAscii, isUtf8 } from 'node:buffer'
import type { DeadLetterReason } from '@weir/contracts'
import { isExactNumber, isJsonObject, parseExactJson, type JsonValue } from '@weir/exact-json'

export type Parsed =
  | { readonly kind: 'parsed'; readonly value: JsonValue }
  | { readonly kind: 'problem'; readonly reason: DeadLetterReason; readonly detail: string }

const DEPTH_MAX = 64

const problem = (reason: DeadLetterReason, detail: string): Parsed => ({ kind: 'problem', reason, detail })

/**
 * JSON that every parser reads alike: UTF-8, no key twice in an object, no `__proto__` or `constructor.prototype`,
 * only finite numbers, at most 64 levels. Never throws.
 */
export const parseStrictJson = (raw: Buffer): Parsed => {
  const ascii = isAscii(raw)
  if (!ascii && !isUtf8(raw)) return problem('invalid_encoding', 'not valid UTF-8')
  const colons = scan(raw)
  if (colons === TOO_DEEP) return problem('unsafe_json', `more than ${DEPTH_MAX} levels`)
  let value: JsonValue
  try {
    value = parseExactJson(raw.toString(ascii ? 'latin1' : 'utf8'))
  } catch {
    return problem('invalid_json', 'not JSON')
  }
  const keys = countKeys(value)
  if (keys === FORBIDDEN_KEY) return problem('unsafe_json', 'a key that would reach the prototype')
  if (keys === NOT_FINITE) return problem('unsafe_json', 'a number beyond what a double holds')
  if (keys !== colons) return problem('unsafe_json', 'a key twice in one object')
  return { kind: 'parsed', value }
}

const TOO_DEEP = -1
const QUOTE = 0x22
const COLON = 0x3a
const BACKSLASH = 0x5c
/** `[` and `{`, `]` and `}` differ in this bit alone. */
const BRACE_BIT = 0x20
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

/** Keys as written: outside strings each colon of valid JSON follows one. Before `JSON.parse`, which would exhaust the stack on what is too deep. */
const scan = (raw: Buffer): number => {
  let depth = 0
  let colons = 0
  const length = raw.length
  for (let i = 0; i < length; i++) {
    const byte = raw[i]!
    if (byte === QUOTE) {
      i = endOfString(raw, i)
    } else if (byte === COLON) {
      colons += 1
    } else if ((byte | BRACE_BIT) === OPEN_BRACE) {
      depth += 1
      if (depth > DEPTH_MAX) return TOO_DEEP
    } else if ((byte | BRACE_BIT) === CLOSE_BRACE) {
      depth -= 1
    }
  }
  return colons
}

/** The position of the quote that ends the string which begins at `at`. */
const endOfString = (raw: Buffer, at: number): number => {
  for (let i = at + 1; i < raw.length; i++) {
    const byte = raw[i]!
    if (byte === QUOTE) return i
    if (byte === BACKSLASH) i += 1
  }
  return raw.length
}

const FORBIDDEN_KEY = -1
const NOT_FINITE = -2

/** Keys as parsed, in all levels; or what is wrong with them. */
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
