import { BODY_BYTES_MAX, type Rig } from '../../rig/rig.ts'
import { describeExchange, exchangeRaw } from '../../raw-exchange.ts'
import { securityCase, type SecurityCase } from '../../security-case.ts'
import { bodyOf, signedHeaders, type SourceUnderTest } from '../../source-under-test.ts'
import { tally } from '../signatures/signature.ts'

const NONE = Buffer.alloc(0)
const WAIT_MS = 8_000

interface Change {
  readonly method?: string
  readonly path?: string
  /** Instead of the good ones. */
  readonly headers?: (good: readonly string[]) => readonly string[]
  readonly raw?: Buffer
}

/** A good request with one thing changed. */
const changed = async (
  { ingress, sources: { strict } }: Rig,
  { method = 'POST', path = strict.path, headers = (good) => good, raw = bodyOf(strict) }: Change,
) => ingress.send({ method, path, headers: headers(signedHeaders(strict, raw)), raw })

const statusOf = async (rig: Rig, change: Change): Promise<number> => (await changed(rig, change)).status

const withType = (type: string | undefined) => (good: readonly string[]) => [
  ...(type === undefined ? [] : ['content-type', type]),
  ...good.slice(2),
]

const bodyOfLength = (source: SourceUnderTest, length: number): Buffer => {
  const empty = bodyOf(source, { more: '"filler":""' }).length
  return bodyOf(source, { more: `"filler":"${'x'.repeat(length - empty)}"` })
}

const methodCases = (): SecurityCase[] => [
  ...['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'].map((method) =>
    securityCase(`method: ${method} on a source's path`, '405, Allow: POST', async (rig) => {
      const { status, headers } = await changed(rig, { method, headers: () => [], raw: NONE })
      return `${status}, Allow: ${headers.allow ?? 'none'}`
    }),
  ),
  ...(
    [
      ['with a slash behind', (path: string) => `${path}/`, 404],
      ['with two slashes before', (path: string) => `/${path}`, 404],
      ['in upper case', (path: string) => path.toUpperCase(), 404],
      ['of an unknown source', () => '/webhooks/nobody', 404],
      ['with /../ to a good one', (path: string) => `/webhooks/x/..${path.slice('/webhooks'.length)}`, 404],
      ['%zz', () => '/webhooks/%zz', 400],
      ['%00', () => '/webhooks/%00', 404],
      ['good, with a query', (path: string) => `${path}?x=1`, 200],
    ] as const
  ).map(([what, pathOf, expected]) =>
    securityCase(`path: ${what}`, expected, (rig) =>
      statusOf(rig, { path: pathOf(rig.sources.strict.path) }),
    ),
  ),
]

const typeCases = (): SecurityCase[] => [
  ...(
    [
      ['text/plain', 'text/plain', 415],
      ['none', undefined, 415],
      ['application/x-www-form-urlencoded', 'application/x-www-form-urlencoded', 415],
      ['multipart/form-data', 'multipart/form-data; boundary=x', 415],
      ['application/jsonx', 'application/jsonx', 415],
      ['text/plain with json in a parameter', 'text/plain; a=application/json', 415],
      ['application/json with a charset', 'application/json; charset=utf-8', 200],
      ['APPLICATION/JSON', 'APPLICATION/JSON', 200],
    ] as const
  ).map(([what, type, expected]) =>
    securityCase(`media type: ${what}`, expected, (rig) => statusOf(rig, { headers: withType(type) })),
  ),
  ...['gzip', 'br', 'deflate', 'x-unknown', 'identity, gzip'].map((encoding) =>
    securityCase(`content encoding: ${encoding}`, 415, (rig) =>
      statusOf(rig, { headers: (good) => [...good, 'content-encoding', encoding] }),
    ),
  ),
]

const head = (path: string, ...headers: readonly string[]): string =>
  [`POST ${path} HTTP/1.1`, 'host: weir', 'content-type: application/json', ...headers, '', ''].join('\r\n')

const chunked = (bytes: number): string[] => {
  const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`
  return Array.from({ length: Math.ceil(bytes / 0x4000) }, () => chunk)
}

/** What a socket sees that sends `steps` to the working ingress. */
const exchange = async (
  { ingress: { port }, journal }: Rig,
  steps: readonly (string | number)[],
): Promise<string> => describeExchange(await exchangeRaw({ port, steps, waitMs: WAIT_MS, journal }))

const sizeCases = (): SecurityCase[] => [
  securityCase('size: the largest body', 200, (rig) =>
    statusOf(rig, { raw: bodyOfLength(rig.sources.strict, BODY_BYTES_MAX) }),
  ),
  securityCase('size: one byte more', 413, (rig) =>
    statusOf(rig, { raw: bodyOfLength(rig.sources.strict, BODY_BYTES_MAX + 1) }),
  ),
  securityCase('size: too large by declaration, body not sent', '413, closed', (rig) =>
    exchange(rig, [head(rig.sources.strict.path, `content-length: ${BODY_BYTES_MAX + 1}`)]),
  ),
  securityCase('size: 1 TB by declaration', '413, closed', (rig) =>
    exchange(rig, [head(rig.sources.strict.path, 'content-length: 1099511627776')]),
  ),
  securityCase('size: too large in chunks', '413, closed', (rig) =>
    exchange(rig, [
      // Without a signature the body is not looked at.
      head(
        rig.sources.strict.path,
        'transfer-encoding: chunked',
        `${rig.sources.strict.scheme!.header}: ${Buffer.alloc(32).toString('base64')}`,
      ),
      ...chunked(BODY_BYTES_MAX + 0x4000),
      '0\r\n\r\n',
    ]),
  ),
  securityCase('size: header of 20 KB', '431, closed', (rig) =>
    exchange(rig, [head(rig.sources.strict.path, `x-large: ${'x'.repeat(20_480)}`)]),
  ),
  securityCase('size: 2,000 small headers', '431, closed', (rig) =>
    exchange(rig, [
      head(rig.sources.strict.path, ...Array.from({ length: 2_000 }, (_, i) => `x-${i}: 123456`)),
    ]),
  ),
  securityCase('size: path of 20 KB', '431, closed', (rig) =>
    exchange(rig, [head(`/${'x'.repeat(20_480)}`)]),
  ),
]

/** Each request breaks two rules. The response shows which rule is checked first. */
const orderCases = (): SecurityCase[] => [
  securityCase('order: unknown path before size', 404, (rig) =>
    statusOf(rig, { path: '/webhooks/nobody', raw: Buffer.alloc(BODY_BYTES_MAX + 1, 'x') }),
  ),
  securityCase('order: method before size', 405, (rig) =>
    statusOf(rig, { method: 'PUT', raw: Buffer.alloc(BODY_BYTES_MAX + 1, 'x') }),
  ),
  securityCase('order: peer address before size', 403, async ({ ingress, sources: { cognigy } }) => {
    const raw = Buffer.alloc(BODY_BYTES_MAX + 1, 'x')
    return (await ingress.send({ path: cognigy.path, headers: ['content-type', 'application/json'], raw }))
      .status
  }),
  securityCase('order: peer address before media type', 403, async ({ ingress, sources: { cognigy } }) => {
    const raw = bodyOf(cognigy)
    return (await ingress.send({ path: cognigy.path, headers: ['content-type', 'text/plain'], raw })).status
  }),
  securityCase('order: size before media type', 413, (rig) =>
    statusOf(rig, { headers: withType('text/plain'), raw: Buffer.alloc(BODY_BYTES_MAX + 1, 'x') }),
  ),
  securityCase('order: media type before signature', 415, (rig) =>
    statusOf(rig, { headers: () => ['content-type', 'text/plain'] }),
  ),
  securityCase('order: signature before JSON', 401, (rig) =>
    statusOf(rig, {
      headers: (good) => good.slice(0, 2),
      raw: Buffer.from(`{"broken":${performance.now()}`),
    }),
  ),
]

const floodOfPaths = (): SecurityCase[] => [
  securityCase('path: 200 unknown ones', '404 × 200', async (rig) =>
    tally(
      await Promise.all(Array.from({ length: 200 }, (_, i) => statusOf(rig, { path: `/webhooks/x${i}` }))),
    ),
  ),
]

export const httpRuleCases = (): readonly SecurityCase[] => [
  ...methodCases(),
  ...floodOfPaths(),
  ...typeCases(),
  ...sizeCases(),
  ...orderCases(),
]
