import { RECORD_BYTES_MAX } from '@weir/contracts'
import { isJsonObject, parseExactJson, type JsonObject } from '@weir/exact-json'
import type { FixUp } from './job.ts'

export type FixUpResult =
  { readonly kind: 'edited'; readonly body: Buffer } | { readonly kind: 'failed'; readonly why: string }

const failed = (why: string): FixUpResult => ({ kind: 'failed', why })

export const applyFixUp = (fixUp: FixUp, body: Buffer): FixUpResult => {
  let text = body.toString()
  for (const { find, with: replacement } of fixUp.replaceText) {
    // A few replacements can turn one body into terabytes, so the size is computed before the text.
    const length = text.length + occurrences(text, find) * (replacement.length - find.length)
    if (length > RECORD_BYTES_MAX) return failed(tooLong(length))
    text = text.replaceAll(find, () => replacement)
  }
  const payload = parseObject(text)
  if (payload === undefined) return failed('the body is not a JSON object after the fix-up')
  const fields = new Map<string, unknown>(Object.entries(payload))
  // Rename all fields at once. One by one, a swap would lose a value, and a rename to the same name would remove the
  // field.
  const renamed = Object.entries(fixUp.rename)
    .filter(([from]) => fields.has(from))
    .map(([from, to]) => ({ from, to, value: fields.get(from) }))
  for (const { from } of renamed) fields.delete(from)
  for (const { to, value } of renamed) fields.set(to, value)
  for (const [name, value] of Object.entries(fixUp.set)) fields.set(name, value)
  for (const name of fixUp.remove) fields.delete(name)
  // This also merges duplicate keys.
  return { kind: 'edited', body: Buffer.from(JSON.stringify(Object.fromEntries(fields))) }
}

const tooLong = (length: number): string =>
  `the fix-up makes a body of ${length} characters, but a record may have at most ${RECORD_BYTES_MAX} bytes`

const occurrences = (text: string, find: string): number => {
  let count = 0
  for (let at = text.indexOf(find); at >= 0; at = text.indexOf(find, at + find.length)) count += 1
  return count
}

const parseObject = (text: string): JsonObject | undefined => {
  try {
    const payload = parseExactJson(text)
    return isJsonObject(payload) ? payload : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
