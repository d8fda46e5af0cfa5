/** Stands for what PostgreSQL's text and jsonb cannot hold. */
const REPLACEMENT = '\uFFFD'

/** Text that PostgreSQL takes: without NUL and lone surrogates. */
export const sanitiseText = (text: string): string => text.toWellFormed().replaceAll('\0', REPLACEMENT)

const sanitise = (value: unknown): unknown => {
  if (typeof value === 'string') return sanitiseText(value)
  if (Array.isArray(value)) return value.map(sanitise)
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [sanitiseText(name), sanitise(one)]))
  }
  return value
}

/** A body that is not JSON as a JSON text of one string. */
export const textJsonb = (raw: Buffer): { readonly json: string; readonly sanitised: boolean } => ({
  json: JSON.stringify(sanitiseText(raw.toString())),
  sanitised: true,
})

/** A body as JSON text for jsonb; the exact bytes are kept beside it. */
export const jsonbOf = (raw: Buffer): { readonly json: string; readonly sanitised: boolean } => {
  const text = raw.toString()
  // NUL and lone surrogates can only come as escapes: the body was checked to be UTF-8.
  if (!text.includes('\\u')) return { json: text, sanitised: false }
  const value: unknown = JSON.parse(text)
  const json = JSON.stringify(sanitise(value))
  return { json, sanitised: json !== JSON.stringify(value) }
}
