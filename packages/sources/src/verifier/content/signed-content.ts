import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { RequestHeaders } from './request-headers.ts'
import { signedForm } from './signed-form.ts'

/** The parts of a request that a signature may cover besides its body. */
export interface SignedParts {
  readonly timestamp: string
  readonly id: string
  readonly method: string
  /** The whole URL that the provider called. */
  readonly url: string
  readonly headers: RequestHeaders
}

type Fill = (parts: SignedParts) => string

/** The signed content in the order in which it is hashed: `before`, the body in its signed form, `after`. */
export interface SignedContent {
  readonly usesTimestamp: boolean
  readonly usesId: boolean
  readonly usesUrl: boolean
  /** Tells whether a signed text determines the body. Otherwise other bodies with the same signature can be made. */
  readonly bindsBody: boolean
  /** The signed headers, in lower case. */
  readonly headers: readonly string[]
  readonly before: Fill
  readonly after: Fill
  /** The signed form of the body. Undefined if the request names a hash that its body does not have. */
  readonly body: (raw: Buffer, parts: SignedParts) => Buffer | undefined
}

const FIELD = /\{([^{}]*)\}/g
const HEADER = /^header:([a-z0-9-]{1,64})$/

/**
 * The fields that stand for the body. Every content needs one of them, because otherwise the body could be replaced.
 */
const BODIES: Readonly<Record<string, SignedContent['body']>> = {
  body: (raw) => raw,
  'body-crc32': (raw) => Buffer.from(String(crc32(raw))),
  'body-sha256': (raw) => Buffer.from(createHash('sha256').update(raw).digest('hex')),
  form: (raw, { headers, url }) => signedForm(raw, headers.get('content-type'), url),
}
const FIELDS: Readonly<Record<string, Fill>> = {
  timestamp: ({ timestamp }) => timestamp,
  id: ({ id }) => id,
  method: ({ method }) => method,
  url: ({ url }) => url,
  'url-decoded': ({ url }) => decodedUrl(url),
}

/**
 * Parses a text such as `{timestamp}.{body}`. Throws a `RangeError` that says what is wrong with it. Its fields are
 * those above and `{header:<name>}`.
 */
export const compileContent = (text: string): SignedContent => {
  const names = [...text.matchAll(FIELD)].map(([, name]) => name!)
  const isKnown = (name: string) =>
    Object.hasOwn(BODIES, name) || Object.hasOwn(FIELDS, name) || HEADER.test(name)
  const unknown = names.find((name) => !isKnown(name))
  if (unknown !== undefined) {
    const fields = [...Object.keys(BODIES), ...Object.keys(FIELDS), 'header:<name>']
    throw new RangeError(`{${unknown}} is unknown: use ${fields.map((name) => `{${name}}`).join(', ')}`)
  }
  const bodies = names.filter((name) => Object.hasOwn(BODIES, name))
  const [body] = bodies
  if (body === undefined || bodies.length > 1) {
    throw new RangeError(`must contain exactly one of {body}, ${BODY_NAMES.join(', ')}`)
  }
  const [before = '', after = ''] = text.split(`{${body}}`)
  return {
    usesTimestamp: names.includes('timestamp'),
    usesId: names.includes('id'),
    usesUrl: names.some((name) => name.startsWith('url')) || body === 'form',
    bindsBody: BINDING.has(body),
    headers: names.flatMap((name) => HEADER.exec(name)?.[1] ?? []),
    before: filler(before),
    after: filler(after),
    body: BODIES[body]!,
  }
}

/** Anyone can make another body with the same CRC-32, and a form is signed without the separators of its fields. */
const BINDING: ReadonlySet<string> = new Set(['body', 'body-sha256'])

const BODY_NAMES = Object.keys(BODIES)
  .filter((name) => name !== 'body')
  .map((name) => `{${name}}`)

const filler = (text: string): Fill => {
  if (!text.includes('{')) return () => text
  return (parts) => text.replace(FIELD, (_, name: string) => fieldOf(name, parts))
}

const fieldOf = (name: string, parts: SignedParts): string => {
  const header = HEADER.exec(name)?.[1]
  return header === undefined ? FIELDS[name]!(parts) : (parts.headers.get(header) ?? '')
}

/** HubSpot decodes these escapes before it signs, and no others. */
const DECODED = /%(?:3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)/gi
const decodedUrl = (url: string): string => url.replace(DECODED, (escape) => decodeURIComponent(escape))
