import { createHmac, sign } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import type { HttpRequest } from './http-client.ts'
import { BODY_BYTES_MAX, type Rig } from './rig/rig.ts'
import { freshId } from './source-under-test.ts'

/** What the requests of a kind may cost, as ratios to what good ones of the reference cost in the same minute. */
export interface Bounds {
  readonly cpu: number
  readonly bytes: number
  readonly memory: number
}

export interface RequestKind {
  readonly what: string
  /** Every response has one of these statuses; 0 is a closed connection. */
  readonly due: readonly number[]
  readonly reference: 'small' | 'limit'
  readonly bounds: Bounds
  /** A fresh one; what costs much to make is made once. */
  readonly request: (rig: Rig) => HttpRequest
}

export const COST_SECRET = 'a secret of the sources whose costs are measured'
const BOMB_BYTES = 50_000_000
const OVERSIZE_BYTES = 8_388_608

export const COST_SOURCES = `version: 1
builtIn: false
sources:
  plain: { preset: custom }
  packed: { preset: custom, acceptEncodings: [gzip] }
  elements: { preset: custom, split: $ }
  pairs: { preset: standard-webhooks }
  token: { preset: custom, jwt: { algorithms: [HS256], issuer: weir, audience: weir } }
  subscribed: { preset: custom, unsigned: true, handshake: microsoft-graph }
`

const hmac = (bytes: Buffer | string, encoding: 'hex' | 'base64url' = 'hex'): string =>
  createHmac('sha256', COST_SECRET).update(bytes).digest(encoding)

const JSON_TYPE = ['content-type', 'application/json'] as const
const ZEROS = '0'.repeat(64)

type Sent = Omit<HttpRequest, 'from'>

const signed = (raw: Buffer, source = 'plain', ...more: readonly string[]): Sent => ({
  path: `/webhooks/${source}`,
  headers: [...JSON_TYPE, 'x-signature', hmac(raw), ...more],
  raw,
})

/** Right but for what is given instead. */
const withHeaders = (raw: Buffer, ...headers: readonly string[]): Sent => ({
  path: '/webhooks/plain',
  headers,
  raw,
})

const small = (): Buffer => Buffer.from(JSON.stringify({ id: freshId(), type: 'cost' }))

const large = (bytes = BODY_BYTES_MAX): Buffer => {
  const start = `{"id":"${freshId()}","type":"cost","x":"`
  return Buffer.from(`${start}${'x'.repeat(bytes - start.length - 2)}"}`)
}

const withMember = (json: string): Buffer => Buffer.from(`{"id":"${freshId()}","type":"cost","x":${json}}`)

const manyKeys = Object.fromEntries(Array.from({ length: 15_000 }, (_, i) => [`key-${i}`, i]))
const keys = JSON.stringify(manyKeys)
const deepest = `${'['.repeat(62)}${']'.repeat(62)}`
const tooDeep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
const bomb = gzipSync(Buffer.alloc(BOMB_BYTES, ' '))
/** As much as is taken of so few bytes. */
const packed = (): Buffer => gzipSync(withMember(JSON.stringify('x'.repeat(60_000))))
const batch = (): Buffer =>
  Buffer.from(JSON.stringify(Array.from({ length: 1_000 }, () => ({ id: freshId(), type: 'cost' }))))

const token = (isGood: boolean): string => {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const exp = Math.floor(Date.now() / 1_000) + 300
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ iss: 'weir', aud: 'weir', exp })}`
  return `Bearer ${text}.${isGood ? hmac(text, 'base64url') : Buffer.alloc(32).toString('base64url')}`
}
const bearing = (raw: Buffer, isGood: boolean): Sent => ({
  path: '/webhooks/token',
  headers: [...JSON_TYPE, 'authorization', token(isGood)],
  raw,
})

/** So many signatures of another text with the right key, which must each be tried. */
const byKeyPair = ({ trusted }: Rig, count: number): Sent => {
  const other = (): string => sign(null, Buffer.from(freshId()), trusted.key).toString('base64')
  const header = Array.from({ length: count }, () => `v1a,${other()}`).join(' ')
  const id = ['webhook-id', freshId(), 'webhook-timestamp', String(Math.floor(Date.now() / 1_000))]
  return {
    path: '/webhooks/pairs',
    headers: [...JSON_TYPE, ...id, 'webhook-signature', header],
    raw: large(),
  }
}

const kind = (
  what: string,
  due: number | readonly number[],
  reference: RequestKind['reference'],
  [cpu, bytes, memory]: readonly [cpu: number, bytes: number, memory: number],
  request: (rig: Rig) => Sent,
): RequestKind => ({
  what,
  reference,
  request,
  bounds: { cpu, bytes, memory },
  due: typeof due === 'number' ? [due] : due,
})

export const REFERENCES = {
  small: () => signed(small()),
  limit: () => signed(large()),
} as const satisfies Record<RequestKind['reference'], () => Sent>

/** About as cheap as a good one that shares its way to Kafka with others. */
const REFUSED = [6, 4, 1.8] as const
const WITH_TOKEN = [20, 5, 1.8] as const
/** Its body is thrown away unread, or at most hashed. */
const REFUSED_LARGE = [1.5, 1.5, 1.8] as const
/** Of no more bytes, and with the parsing besides. */
const TAKEN = [4, 2, 1.8] as const

const smallKinds: readonly RequestKind[] = [
  kind('malformed JSON', 400, 'small', [10, 5, 1.8], () => signed(Buffer.from(`{"broken":"${freshId()}`))),
  kind('no signature', 401, 'small', REFUSED, () => withHeaders(small(), ...JSON_TYPE)),
  kind('a wrong signature', 401, 'small', REFUSED, () =>
    withHeaders(small(), ...JSON_TYPE, 'x-signature', ZEROS),
  ),
  kind('a token', 200, 'small', WITH_TOKEN, () => bearing(small(), true)),
  kind('a wrong token', 401, 'small', WITH_TOKEN, () => bearing(small(), false)),
  kind('a handshake, and more than a source answers', [200, 429], 'small', REFUSED, () => ({
    path: '/webhooks/subscribed?validationToken=cost',
    headers: [],
    raw: Buffer.alloc(0),
  })),
  kind('an unknown path', 404, 'small', REFUSED, () => ({ ...signed(small()), path: '/webhooks/nobody' })),
  kind('PUT', 405, 'small', REFUSED, () => ({ ...signed(small()), method: 'PUT' })),
  kind('text/plain', 415, 'small', REFUSED, () => withHeaders(small(), 'content-type', 'text/plain')),
]

const largeKinds: readonly RequestKind[] = [
  kind('1,000 elements', 200, 'limit', [60, 2, 2.5], () => signed(batch(), 'elements')),
  kind('a gzip bomb of 50 MB', 413, 'limit', REFUSED_LARGE, () =>
    signed(bomb, 'packed', 'content-encoding', 'gzip'),
  ),
  kind('60 KB in 150 bytes of gzip', 200, 'limit', TAKEN, () =>
    signed(packed(), 'packed', 'content-encoding', 'gzip'),
  ),
  kind('64 levels of JSON', 200, 'limit', TAKEN, () => signed(withMember(deepest))),
  kind('100,000 levels of JSON', 400, 'limit', TAKEN, () => signed(withMember(tooDeep))),
  kind('15,000 keys', 200, 'limit', [30, 2, 2.5], () => signed(withMember(keys))),
  kind('malformed JSON at the limit', 400, 'limit', TAKEN, () => signed(large().subarray(0, -1))),
  kind('no signature, body at the limit', 401, 'limit', REFUSED_LARGE, () =>
    withHeaders(large(), ...JSON_TYPE),
  ),
  kind('a wrong signature, body at the limit', 401, 'limit', REFUSED_LARGE, () =>
    withHeaders(large(), ...JSON_TYPE, 'x-signature', ZEROS),
  ),
  kind('a wrong token, body at the limit', 401, 'limit', REFUSED_LARGE, () => bearing(large(), false)),
  kind('4 wrong ed25519 signatures, body at the limit', 401, 'limit', [5, 1.5, 1.8], (rig) =>
    byKeyPair(rig, 4),
  ),
  // More than four are not tried: that costs at least as much as those four.
  kind('16 wrong ed25519 signatures, body at the limit', 401, 'limit', [0.8, 1.5, 1.8], (rig) =>
    byKeyPair(rig, 16),
  ),
  kind('an unknown path, body at the limit', 404, 'limit', REFUSED_LARGE, () => ({
    ...signed(large()),
    path: '/webhooks/nobody',
  })),
  kind('PUT, body at the limit', 405, 'limit', REFUSED_LARGE, () => ({ ...signed(large()), method: 'PUT' })),
  kind('text/plain, body at the limit', 415, 'limit', REFUSED_LARGE, () =>
    withHeaders(large(), 'content-type', 'text/plain'),
  ),
  // After the response, ingress reads only a part of what follows before it closes the connection.
  kind('8 MiB', [413, 0], 'limit', [12, 16, 1.8], () => signed(large(OVERSIZE_BYTES))),
]

export const REQUEST_KINDS: readonly RequestKind[] = [
  kind('a body at the limit', 200, 'small', [30, 3_000, 3], () => signed(large())),
  ...smallKinds,
  ...largeKinds,
]
