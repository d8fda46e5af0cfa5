import type { JsonValue } from '@weir/exact-json'
import type { RequestHeaders } from '../verifier/content/request-headers.ts'

export const HANDSHAKES = [
  'cloudevents',
  'meta',
  'zoom',
  'event-grid',
  'twitter-crc',
  'microsoft-graph',
  'slack',
] as const

/** How a provider asks whether an address wants its events, before it sends any. */
export type HandshakeName = (typeof HANDSHAKES)[number]

/** What a source has to answer handshakes with. */
export interface HandshakeKeys {
  /** The current secret first. */
  readonly secrets: readonly Buffer[]
  /** Text that Meta must know; undefined: none is set. */
  readonly verifyToken: string | undefined
  /** Senders that may ask for permission, in lower case; `*`: all. */
  readonly origins: readonly string[]
  /** Requests per minute that a sender may be granted; undefined: any number. */
  readonly ratePerMinute: number | undefined
}

/** A request that is not signed. Its body, if any, is not read. */
export interface OpenRequest {
  readonly method: string
  readonly query: URLSearchParams
  readonly headers: RequestHeaders
}

/** A request that has passed the checks of its source. */
export interface AuthenticRequest {
  readonly headers: RequestHeaders
  readonly payload: JsonValue
  /** The secret that it was signed with; undefined: it was not signed. */
  readonly secret: Buffer | undefined
}

export interface HandshakeAnswer {
  readonly outcome: 'answered' | 'refused'
  readonly status: number
  /** Empty: none. */
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
}

/** Undefined: the request is not this handshake. Pure and total. */
export interface Handshake {
  readonly open?: (request: OpenRequest, keys: HandshakeKeys) => HandshakeAnswer | undefined
  readonly authentic?: (request: AuthenticRequest) => HandshakeAnswer | undefined
}

/** No browser may take an answer for a page, and no cache may keep it. */
const HEADERS = { 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' }

export const json = (value: object): HandshakeAnswer => ({
  outcome: 'answered',
  status: 200,
  body: JSON.stringify(value),
  headers: { ...HEADERS, 'content-type': 'application/json' },
})

export const text = (body: string): HandshakeAnswer => ({
  outcome: 'answered',
  status: 200,
  body,
  headers: { ...HEADERS, 'content-type': 'text/plain; charset=utf-8' },
})

export const permission = (headers: Readonly<Record<string, string>>): HandshakeAnswer => ({
  outcome: 'answered',
  status: 200,
  body: '',
  headers: { ...HEADERS, ...headers },
})

/** Says what is wrong and quotes nothing of the request. */
export const refused = (status: number, why: string): HandshakeAnswer => ({
  outcome: 'refused',
  status,
  body: JSON.stringify({ error: why }),
  headers: { ...HEADERS, 'content-type': 'application/json' },
})

/** Letters, digits and the other characters of base64, UUIDs and tokens: no markup and no quotes. */
const TOKEN = /^[\w.~+/=-]{1,256}$/

export const isToken = (value: unknown): value is string => typeof value === 'string' && TOKEN.test(value)

/** The value of a parameter that came once. */
export const only = (query: URLSearchParams, name: string): string | undefined => {
  const values = query.getAll(name)
  return values.length === 1 ? values[0] : undefined
}
