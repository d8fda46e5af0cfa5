import type { DeadLetterReason } from '@weir/contracts'
import type { JsonValue } from '@weir/sources'
import secureJson from 'secure-json-parse'

export type Parsed =
  | { readonly kind: 'parsed'; readonly value: JsonValue }
  | { readonly kind: 'problem'; readonly reason: DeadLetterReason; readonly detail: string }

const DEPTH_MAX = 64
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const problem = (reason: DeadLetterReason, detail: string): Parsed => ({ kind: 'problem', reason, detail })

/**
 * JSON that every parser reads alike: UTF-8, no key twice in an object, no `__proto__` or `constructor.prototype`,
 * only finite numbers, at most 64 levels. Never throws.
 */
export const parseStrictJson = (raw: Buffer): Parsed => {
  let text: string
  try {
    text = decoder.decode(raw)
  } catch {
    return problem('invalid_encoding', 'not valid UTF-8')
  }
  const depth = depthOf(text)
  if (depth > DEPTH_MAX) return problem('unsafe_json', `more than ${DEPTH_MAX} levels`)
  let value: JsonValue
  try {
    value = JSON.parse(text) as JsonValue
  } catch {
    return problem('invalid_json', 'not JSON')
  }
  if (typeof value !== 'object' || value === null) return { kind: 'parsed', value }
  try {
    secureJson.scan(value)
  } catch {
    return problem('unsafe_json', 'a key that would reach the prototype')
  }
  const keys = { found: 0 }
  if (!isFinite(value, keys)) return problem('unsafe_json', 'a number beyond what a double holds')
  if (keys.found !== keysIn(text)) return problem('unsafe_json', 'a key twice in one object')
  return { kind: 'parsed', value }
}

const QUOTE = 0x22
const BACKSLASH = 0x5c

/** The position of the quote that ends the string which begins at `at`. */
const endOfString = (text: string, at: number): number => {
  for (let i = at + 1; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === BACKSLASH) i += 1
    else if (code === QUOTE) return i
  }
  return text.length
}

const depthOf = (text: string): number => {
  let depth = 0
  let deepest = 0
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!
    if (char === '"') i = endOfString(text, i)
    else if (char === '{' || char === '[') deepest = Math.max(deepest, ++depth)
    else if (char === '}' || char === ']') depth -= 1
  }
  return deepest
}

/** Keys as written: outside strings each colon of valid JSON follows one. */
const keysIn = (text: string): number => {
  let keys = 0
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!
    if (char === '"') i = endOfString(text, i)
    else if (char === ':') keys += 1
  }
  return keys
}

const isFinite = (value: JsonValue, keys: { found: number }): boolean => {
  if (typeof value === 'number') return Number.isFinite(value)
  if (typeof value !== 'object' || value === null) return true
  if (Array.isArray(value)) return value.every((one: JsonValue) => isFinite(one, keys))
  for (const one of Object.values(value)) {
    keys.found += 1
    if (!isFinite(one, keys)) return false
  }
  return true
}
