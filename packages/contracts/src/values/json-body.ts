import { isUtf8 } from 'node:buffer'
import { gunzipSync, inflateRawSync, inflateSync } from 'node:zlib'

/** The `content-encoding` of a body. */
export type ContentCoding = 'gzip' | 'deflate'
/** Where a form holds the JSON: in its field `payload`, or in all its fields together. */
export type FormLayout = 'payload' | 'fields'

/** How to find the JSON of a body in its raw bytes. */
export interface BodyForm {
  readonly coding?: ContentCoding
  readonly layout?: FormLayout
}

export interface FormedBody {
  /** The exact bytes that came in. */
  readonly raw: Buffer
  /** Undefined: the raw bytes are JSON. */
  readonly bodyForm?: BodyForm | undefined
}

export class BodyFormError extends Error {
  override readonly name = 'BodyFormError'
  /** `too_large`: the decompressed body exceeds a limit. */
  readonly kind: 'invalid' | 'too_large'

  constructor(kind: BodyFormError['kind'], message: string) {
    super(message)
    this.kind = kind
  }
}

/** No source accepts a larger body, compressed or not. */
const BYTES_MAX = 900_000
/** A decompressed body that exceeds FREE_BYTES may be at most RATIO_MAX times as large as the bytes that were sent. */
const FREE_BYTES = 65_536
const RATIO_MAX = 100

/** The decompressed bytes of a body. An opaque body is not interpreted further. Throws a `BodyFormError`. */
export const plainBody = ({ raw, bodyForm }: FormedBody, bytesMax = BYTES_MAX): Buffer =>
  bodyForm?.coding === undefined ? raw : decompress(raw, bodyForm.coding, bytesMax)

/**
 * The JSON text of a body: decompressed, taken out of its form, without a byte order mark. Every service reads bodies
 * through this function only. Throws a `BodyFormError`, which quotes nothing of the body.
 */
export const jsonBody = (body: FormedBody, bytesMax = BYTES_MAX): Buffer => {
  const text = withoutMark(plainBody(body, bytesMax))
  switch (isBareJson(text) ? undefined : body.bodyForm?.layout) {
    case undefined:
      return text
    case 'payload':
      return Buffer.from(payloadField(fieldsOf(text)))
    case 'fields':
      return Buffer.from(fieldsJson(fieldsOf(text)))
  }
}

/**
 * Whether a body that is declared as a form is really JSON. A form escapes `{` and `[`. The declaration is in a header
 * that is not signed, so the same bytes must not become one event as JSON and another event as a form.
 */
export const isBareJson = (bytes: Buffer): boolean => {
  let at = 0
  while (BLANKS.has(bytes[at]!)) at += 1
  return bytes[at] === OBJECT_OPEN || bytes[at] === ARRAY_OPEN
}

const BLANKS: ReadonlySet<number> = new Set(Buffer.from(' \t\r\n'))
const [OBJECT_OPEN, ARRAY_OPEN] = Buffer.from('{[')

const MARK = Buffer.from('\uFEFF')

const withoutMark = (bytes: Buffer): Buffer =>
  bytes[0] === MARK[0] && bytes.subarray(0, MARK.length).equals(MARK) ? bytes.subarray(MARK.length) : bytes

const decompress = (raw: Buffer, coding: ContentCoding, bytesMax: number): Buffer => {
  const maxOutputLength = Math.min(bytesMax, Math.max(FREE_BYTES, raw.length * RATIO_MAX))
  try {
    // Decompression stops at the limit, so memory is bounded.
    if (coding === 'gzip') return gunzipSync(raw, { maxOutputLength })
    return inflate(raw, maxOutputLength)
  } catch (error) {
    if (error instanceof BodyFormError) throw error
    if ((error as NodeJS.ErrnoException).code !== 'ERR_BUFFER_TOO_LARGE') {
      throw new BodyFormError('invalid', `not valid ${coding}`)
    }
    throw new BodyFormError('too_large', `more than ${maxOutputLength} bytes of ${coding}`)
  }
}

/** Fails if bytes follow the stream: zlib itself stops at the end of the stream and ignores them. */
const inflate = (raw: Buffer, maxOutputLength: number): Buffer => {
  const inflated = (isZlib(raw) ? inflateSync : inflateRawSync)(raw, { maxOutputLength, info: true })
  // The types do not know the result that `info` gives.
  const { buffer, engine } = inflated as unknown as { buffer: Buffer; engine: { bytesWritten: number } }
  if (engine.bytesWritten !== raw.length)
    throw new BodyFormError('invalid', 'something follows the deflate stream')
  return buffer
}

/** `deflate` means the zlib format, but some senders leave out its header. */
const isZlib = (raw: Buffer): boolean =>
  raw.length >= 2 && (raw[0]! & 0x0f) === 8 && raw.readUInt16BE() % 31 === 0

type Fields = readonly (readonly [name: string, value: string])[]

/** Stricter than browsers: a bad escape or a byte that is not UTF-8 is an error, not a replacement character. */
const fieldsOf = (body: Buffer): Fields => {
  if (!isUtf8(body)) throw new BodyFormError('invalid', 'not valid UTF-8')
  try {
    return body
      .toString()
      .split('&')
      .filter((part) => part !== '')
      .map((part) => {
        const at = part.indexOf('=')
        return at < 0 ? [textOf(part), ''] : [textOf(part.slice(0, at)), textOf(part.slice(at + 1))]
      })
  } catch {
    throw new BodyFormError('invalid', 'not a valid form')
  }
}

const textOf = (part: string): string => decodeURIComponent(part.replaceAll('+', ' '))

const payloadField = (fields: Fields): string => {
  const [first, ...more] = fields.filter(([name]) => name === 'payload')
  if (first === undefined) throw new BodyFormError('invalid', 'a form without the field payload')
  if (more.length > 0) throw new BodyFormError('invalid', 'a form with the field payload twice')
  return first[1]
}

/**
 * A JSON object of texts; a repeated field is a list of texts. Built as text, because a field may be named `__proto__`.
 */
const fieldsJson = (fields: Fields): string => {
  const values = new Map<string, string[]>()
  for (const [name, value] of fields) {
    const known = values.get(name)
    if (known === undefined) values.set(name, [value])
    else known.push(value)
  }
  const members = [...values].map(
    ([name, all]) => `${JSON.stringify(name)}:${JSON.stringify(all.length === 1 ? all[0] : all)}`,
  )
  return `{${members.join(',')}}`
}

const CODINGS: readonly string[] = ['gzip', 'deflate'] satisfies ContentCoding[]
const LAYOUTS: readonly string[] = ['payload', 'fields'] satisfies FormLayout[]

/** The text for a record header and an event field: `gzip`, `fields` or `gzip payload`. */
export const bodyFormText = ({ coding, layout }: BodyForm): string =>
  [coding, layout].filter((part) => part !== undefined).join(' ')

/** Returns undefined for an absent or empty text, and for words that this version does not know. */
export const parseBodyForm = (text: string | null | undefined): BodyForm | undefined => {
  const parts = text?.split(' ') ?? []
  const coding = parts.find((part) => CODINGS.includes(part)) as ContentCoding | undefined
  const layout = parts.find((part) => LAYOUTS.includes(part)) as FormLayout | undefined
  if (coding === undefined && layout === undefined) return undefined
  return { ...(coding && { coding }), ...(layout && { layout }) }
}
