import { isUtf8 } from 'node:buffer'
import { gunzipSync, inflateRawSync, inflateSync } from 'node:zlib'

/** What was done to the bytes of a body on the way, `content-encoding` by name. */
export type ContentCoding = 'gzip' | 'deflate'
/** How JSON lies in a form: as its field `payload`, or as all its fields. */
export type FormLayout = 'payload' | 'fields'

/** How the JSON of a body is found in its raw bytes. */
export interface BodyForm {
  readonly coding?: ContentCoding
  readonly layout?: FormLayout
}

export interface FormedBody {
  /** The exact bytes that came in. */
  readonly raw: Buffer
  /** Undefined: they are JSON as they are. */
  readonly bodyForm?: BodyForm | undefined
}

export class BodyFormError extends Error {
  override readonly name = 'BodyFormError'
  /** `too_large`: what is compressed is more than anybody should send. */
  readonly kind: 'invalid' | 'too_large'

  constructor(kind: BodyFormError['kind'], message: string) {
    super(message)
    this.kind = kind
  }
}

/** No source may take a larger body, compressed or not. */
const BYTES_MAX = 900_000
/** Beyond these bytes a body may not be more than so many times as large as what was sent of it. */
const FREE_BYTES = 65_536
const RATIO_MAX = 100

/** The decompressed bytes of a body: all that can be done to an opaque one. Throws a `BodyFormError`. */
export const plainBody = ({ raw, bodyForm }: FormedBody, bytesMax = BYTES_MAX): Buffer =>
  bodyForm?.coding === undefined ? raw : decompress(raw, bodyForm.coding, bytesMax)

/**
 * The JSON text of a body, which every stage reads by this function alone: decompressed, taken out of its form, without a
 * byte order mark. Throws a `BodyFormError`, which quotes nothing.
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
 * Whether a body that is called a form is JSON under a wrong name. In a form these signs are escaped. The name is in a
 * header that nobody signs, so the same bytes must not be one event as JSON and another one as fields.
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
    // Stops at the limit: what is beyond it is never held.
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

/** All of it: zlib itself stops where the stream ends, whatever follows. */
const inflate = (raw: Buffer, maxOutputLength: number): Buffer => {
  const inflated = (isZlib(raw) ? inflateSync : inflateRawSync)(raw, { maxOutputLength, info: true })
  // What `info` changes is not in the types.
  const { buffer, engine } = inflated as unknown as { buffer: Buffer; engine: { bytesWritten: number } }
  if (engine.bytesWritten !== raw.length)
    throw new BodyFormError('invalid', 'something follows the deflate stream')
  return buffer
}

/** `deflate` means the zlib format, and some send what is in it alone. */
const isZlib = (raw: Buffer): boolean =>
  raw.length >= 2 && (raw[0]! & 0x0f) === 8 && raw.readUInt16BE() % 31 === 0

type Fields = readonly (readonly [name: string, value: string])[]

/** Strict where browsers guess: bad escapes and bytes that are not UTF-8 are errors, not other text. */
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

/** An object of texts, and of lists of texts for what came more than once. Written by hand: a field may have any name. */
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

/** As a header of a record and a field of an event have it: `gzip`, `fields`, `gzip payload`. */
export const bodyFormText = ({ coding, layout }: BodyForm): string =>
  [coding, layout].filter((part) => part !== undefined).join(' ')

/** Undefined for nothing, and for what this version does not know. */
export const parseBodyForm = (text: string | null | undefined): BodyForm | undefined => {
  const parts = text?.split(' ') ?? []
  const coding = parts.find((part) => CODINGS.includes(part)) as ContentCoding | undefined
  const layout = parts.find((part) => LAYOUTS.includes(part)) as FormLayout | undefined
  if (coding === undefined && layout === undefined) return undefined
  return { ...(coding && { coding }), ...(layout && { layout }) }
}
