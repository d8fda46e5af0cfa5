import { parseExactJson } from './exact-json.ts'

/** The position of the first byte, and the position after the last byte. */
export type Slice = readonly [start: number, end: number]

export type ArraySlices =
  /** `array` includes its brackets. The elements exclude the white space around them. */
  | { readonly kind: 'sliced'; readonly array: Slice; readonly elements: readonly Slice[] }
  | { readonly kind: 'not_json' }
  /** The value at the path is not an array. `isMissing`: it does not exist. */
  | { readonly kind: 'no_array'; readonly isMissing: boolean }
  | { readonly kind: 'too_many' }

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_BRACKET = 0x5b
const BACKSLASH = 0x5c
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
/** `[` and `{`, and `]` and `}`, differ only in this bit. */
const BRACE_BIT = 0x20

const NOT_JSON: ArraySlices = { kind: 'not_json' }

/**
 * Finds the elements of the array at a path of names (empty: the whole text) in UTF-8 JSON, in one pass and without
 * recursion, so that no nesting exhausts the stack. It reads only brackets, strings and commas: that each element is
 * JSON, and so is the text with `[]` in the place of the array, is for the caller to check. The first of two equal
 * names counts. At most `max` elements are looked for.
 */
export const sliceArray = (text: Buffer, path: readonly string[], max: number): ArraySlices => {
  let at = skipSpace(text, 0)
  for (const name of path) {
    if (text[at] !== OPEN_BRACE) return at < text.length ? { kind: 'no_array', isMissing: false } : NOT_JSON
    const found = findMember(text, at, name)
    if (found === undefined) return NOT_JSON
    if (found < 0) return { kind: 'no_array', isMissing: true }
    at = found
  }
  if (text[at] !== OPEN_BRACKET) return at < text.length ? { kind: 'no_array', isMissing: false } : NOT_JSON
  return elementsOf(text, at, max)
}

const elementsOf = (text: Buffer, open: number, max: number): ArraySlices => {
  const elements: Slice[] = []
  let start = skipSpace(text, open + 1)
  if (text[start] === CLOSE_BRACKET) return { kind: 'sliced', array: [open, start + 1], elements }
  for (;;) {
    const end = endOfValue(text, start)
    const stop = text[end]
    if (stop !== COMMA && stop !== CLOSE_BRACKET) return NOT_JSON
    if (elements.length === max) return { kind: 'too_many' }
    elements.push([start, skipSpaceBack(text, start, end)])
    if (stop === CLOSE_BRACKET) return { kind: 'sliced', array: [open, end + 1], elements }
    start = skipSpace(text, end + 1)
  }
}

/**
 * Where the value of a member of the object that opens at `open` begins; -1: there is none; undefined: the text is not
 * JSON.
 */
const findMember = (text: Buffer, open: number, name: string): number | undefined => {
  let at = skipSpace(text, open + 1)
  if (text[at] === CLOSE_BRACE) return -1
  for (;;) {
    if (text[at] !== QUOTE) return undefined
    const end = endOfString(text, at) + 1
    const key = stringAt(text, at, end)
    at = skipSpace(text, end)
    if (key === undefined || text[at] !== COLON) return undefined
    at = skipSpace(text, at + 1)
    if (key === name) return at
    at = endOfValue(text, at)
    if (text[at] === CLOSE_BRACE) return -1
    if (text[at] !== COMMA) return undefined
    at = skipSpace(text, at + 1)
  }
}

const stringAt = (text: Buffer, start: number, end: number): unknown => {
  try {
    return parseExactJson(text.toString('utf8', start, end))
  } catch {
    return undefined
  }
}

/** Position of the comma or closing bracket after the value that begins at `start`, or the length of the text. */
const endOfValue = (text: Buffer, start: number): number => {
  let depth = 0
  let at = start
  for (; at < text.length; at++) {
    const byte = text[at]!
    if (byte === QUOTE) {
      at = endOfString(text, at)
    } else if (byte === COMMA) {
      if (depth === 0) return at
    } else if ((byte | BRACE_BIT) === OPEN_BRACE) {
      depth += 1
    } else if ((byte | BRACE_BIT) === CLOSE_BRACE) {
      if (depth === 0) return at
      depth -= 1
    }
  }
  return text.length
}

/** Position of the quote that ends the string at `at`, or the length of the text. */
const endOfString = (text: Buffer, at: number): number => {
  for (let i = at + 1; i < text.length; i++) {
    const byte = text[i]!
    if (byte === QUOTE) return i
    if (byte === BACKSLASH) i += 1
  }
  return text.length
}

/** Whether the byte is white space in JSON: space, tab, line feed or carriage return. */
const isSpace = (byte: number | undefined): boolean =>
  byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09

const skipSpace = (text: Buffer, from: number): number => {
  let at = from
  while (isSpace(text[at])) at += 1
  return at
}

const skipSpaceBack = (text: Buffer, start: number, end: number): number => {
  let at = end
  while (at > start && isSpace(text[at - 1])) at -= 1
  return at
}
