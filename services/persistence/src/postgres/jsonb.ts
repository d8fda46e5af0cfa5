import { isUtf8 } from 'node:buffer'

/** Stands for what PostgreSQL's text and jsonb cannot hold. */
const REPLACEMENT = '\uFFFD'

export interface Jsonb {
  readonly json: string
  /** Whether it says something else than the bytes that it was made of. */
  readonly sanitised: boolean
}

/** Text that PostgreSQL takes: without NUL and lone surrogates. */
export const sanitiseText = (text: string): string => text.toWellFormed().replaceAll('\0', REPLACEMENT)

/** A surrogate pair, another code unit, or another escape: so that a backslash that is itself escaped begins nothing. */
const ESCAPE = /\\(?:u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|u([\da-fA-F]{4})|.)/g
const LONE_SURROGATE = /^d[89a-f]/i

/** In the text itself, as deep as it may be nested: what is parsed and written again loses digits, and overflows the stack. */
const sanitiseEscapes = (json: string): string =>
  json.replace(ESCAPE, (escape: string, unit?: string) =>
    unit !== undefined && (unit === '0000' || LONE_SURROGATE.test(unit)) ? String.raw`\ufffd` : escape,
  )

/** A body that is not JSON as a JSON text of one string. */
export const textJsonb = (raw: Buffer): Jsonb => ({
  json: JSON.stringify(sanitiseText(raw.toString())),
  sanitised: true,
})

/** A body as JSON text for jsonb; the exact bytes are kept beside it. */
export const jsonbOf = (raw: Buffer): Jsonb => {
  const text = raw.toString()
  // A body of a source that is not opaque was checked to be UTF-8, so NUL and lone surrogates can only come as escapes.
  const isExact = !text.includes(REPLACEMENT) || isUtf8(raw)
  if (!text.includes(String.raw`\u`)) return { json: text, sanitised: !isExact }
  const json = sanitiseEscapes(text)
  return { json, sanitised: !isExact || json !== text }
}
