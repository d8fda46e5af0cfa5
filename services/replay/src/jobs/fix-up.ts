import { RECORD_BYTES_MAX } from '@weir/contracts'
import { isJsonObject, parseExactJson, type JsonObject } from '@weir/exact-json'
import type { FixUp } from './job.ts'

export type FixUpResult =
  { readonly kind: 'edited'; readonly body: Buffer } | { readonly kind: 'failed'; readonly why: string }

const failed = (why: string): FixUpResult => ({ kind: 'failed', why })

export const applyFixUp = (fixUp: FixUp, body: Buffer): FixUpResult => {
  let text = body.toString()
  for (const { find, with: replacement } of fixUp.replaceText) {
    // A few replacements can make terabytes of one body, so the size is known before the text is made.
    const length = text.length + occurrences(text, find) * (replacement.length - find.length)
    if (length > RECORD_BYTES_MAX) return failed(tooLong(length))
    text = text.replaceAll(find, () => replacement)
  }
  const payload = parseObject(text)
  if (payload === undefined) return failed('the body is not a JSON object after the fix-up')
  const fields = new Map<string, unknown>(Object.entries(payload))
  // All at once: in turn, of two names that change places one value would be lost, and a name for itself removed.
  const renamed = Object.entries(fixUp.rename)
    .filter(([from]) => fields.has(from))
    .map(([from, to]) => ({ from, to, value: fields.get(from) }))
  for (const { from } of renamed) fields.delete(from)
  for (const { to, value } of renamed) fields.set(to, value)
  for (const [name, value] of Object.entries(fixUp.set)) fields.set(name, value)
  for (const name of fixUp.remove) fields.delete(name)
  // Also makes one of a key that came twice.
  return { kind: 'edited', body: Buffer.from(JSON.stringify(Object.fromEntries(fields))) }
}

const tooLong = (length: number): string =>
  `the fix-up makes a body of ${length} characters, and a record may have ${RECORD_BYTES_MAX} bytes`

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
