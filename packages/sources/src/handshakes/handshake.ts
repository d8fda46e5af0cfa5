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

/** How a provider asks for permission before it sends events to an address. */
export type HandshakeName = (typeof HANDSHAKES)[number]

/** What a source needs for its handshakes. */
export interface HandshakeKeys {
  /** The current secret comes first. */
  readonly secrets: readonly Buffer[]
  /** The verify token that Meta must send. Undefined if none is set. */
  readonly verifyToken: string | undefined
  /** Senders that may ask for permission, in lower case. `*` allows all. */
  readonly origins: readonly string[]
  /** The requests per minute that a sender is granted. Undefined means no limit. */
  readonly ratePerMinute: number | undefined
}

/** An unsigned request. Its body is not read. */
export interface OpenRequest {
  readonly method: string
  readonly query: URLSearchParams
  readonly headers: RequestHeaders
}

/** A request that passed all checks of its source. */
export interface AuthenticRequest {
  readonly headers: RequestHeaders
  readonly payload: JsonValue
  /** The secret that signed it. Undefined if it was not signed. */
  readonly secret: Buffer | undefined
}

export interface HandshakeResponse {
  readonly outcome: 'answered' | 'refused'
  readonly status: number
  /** Empty if there are none. */
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
}

/** Returns undefined if the request is not this handshake. Pure, and never throws. */
export interface Handshake {
  readonly open?: (request: OpenRequest, keys: HandshakeKeys) => HandshakeResponse | undefined
  readonly authentic?: (request: AuthenticRequest) => HandshakeResponse | undefined
}

/** No browser may render the response as a page, and no cache may keep it. */
const HEADERS = { 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' }

export const json = (value: object): HandshakeResponse => ({
  outcome: 'answered',
  status: 200,
  body: JSON.stringify(value),
  headers: { ...HEADERS, 'content-type': 'application/json' },
})

export const text = (body: string): HandshakeResponse => ({
  outcome: 'answered',
  status: 200,
  body,
  headers: { ...HEADERS, 'content-type': 'text/plain; charset=utf-8' },
})

export const permission = (headers: Readonly<Record<string, string>>): HandshakeResponse => ({
  outcome: 'answered',
  status: 200,
  body: '',
  headers: { ...HEADERS, ...headers },
})

/** Says what is wrong without quoting the request. */
export const refused = (status: number, why: string): HandshakeResponse => ({
  outcome: 'refused',
  status,
  body: JSON.stringify({ error: why }),
  headers: { ...HEADERS, 'content-type': 'application/json' },
})

/** Letters, digits and the other characters of base64, UUIDs and tokens: neither markup nor quotes. */
const TOKEN = /^[\w.~+/=-]{1,256}$/

export const isToken = (value: unknown): value is string => typeof value === 'string' && TOKEN.test(value)

/** The value of a parameter that occurs exactly once. */
export const only = (query: URLSearchParams, name: string): string | undefined => {
  const values = query.getAll(name)
  return values.length === 1 ? values[0] : undefined
}
