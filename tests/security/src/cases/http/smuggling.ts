import { exchangeRaw, describeExchange } from '../../raw-exchange.ts'
import { securityCase, type SecurityCase } from '../../security-case.ts'

/** Would get a 200 if a parser took it for a separate request. */
const SMUGGLED = 'GET /livez HTTP/1.1\r\nhost: weir\r\n\r\n'
const BODY = '{}'
const WAIT_MS = 3_000

interface Ambiguous {
  readonly what: string
  /** Lines of the head behind the request line; `host` is one of them. */
  readonly headers: readonly string[]
  readonly body?: string
  readonly requestLine?: string
  readonly lineEnd?: string
}

export const HOST = 'host: weir'
export const TYPE = 'content-type: application/json'
const CHUNKED = 'transfer-encoding: chunked'
const LAST_CHUNK = '0\r\n\r\n'

const AMBIGUOUS: readonly Ambiguous[] = [
  {
    what: 'content-length and transfer-encoding',
    headers: [HOST, 'content-length: 5', CHUNKED],
    body: LAST_CHUNK,
  },
  {
    what: 'transfer-encoding and content-length',
    headers: [HOST, CHUNKED, 'content-length: 5'],
    body: LAST_CHUNK,
  },
  { what: 'two content-lengths, different', headers: [HOST, 'content-length: 2', 'content-length: 3'] },
  { what: 'two content-lengths, equal', headers: [HOST, 'content-length: 2', 'content-length: 2'] },
  { what: 'content-length: 2, 2', headers: [HOST, 'content-length: 2, 2'] },
  { what: 'content-length: +1', headers: [HOST, 'content-length: +1'] },
  { what: 'content-length: -1', headers: [HOST, 'content-length: -1'] },
  { what: 'content-length: 0x10', headers: [HOST, 'content-length: 0x10'] },
  { what: 'content-length: 1_0', headers: [HOST, 'content-length: 1_0'] },
  { what: 'content-length empty', headers: [HOST, 'content-length:'] },
  { what: 'content-length of 30 digits', headers: [HOST, `content-length: ${'9'.repeat(30)}`] },
  { what: 'transfer-encoding: ,chunked', headers: [HOST, 'transfer-encoding: ,chunked'], body: LAST_CHUNK },
  { what: 'transfer-encoding: chunked, identity', headers: [HOST, `${CHUNKED}, identity`], body: LAST_CHUNK },
  { what: 'transfer-encoding: xchunked', headers: [HOST, 'transfer-encoding: xchunked'], body: LAST_CHUNK },
  { what: 'transfer-encoding: "chunked"', headers: [HOST, 'transfer-encoding: "chunked"'], body: LAST_CHUNK },
  { what: 'transfer-encoding: chunked, chunked', headers: [HOST, `${CHUNKED}, chunked`], body: LAST_CHUNK },
  { what: 'transfer-encoding twice', headers: [HOST, CHUNKED, 'transfer-encoding: x'], body: LAST_CHUNK },
  {
    what: 'transfer-encoding after a vertical tab',
    headers: [HOST, 'transfer-encoding: \x0bchunked'],
    body: LAST_CHUNK,
  },
  { what: 'chunk size 0x1', headers: [HOST, CHUNKED], body: `0x1\r\nx\r\n${LAST_CHUNK}` },
  { what: 'chunk size +1', headers: [HOST, CHUNKED], body: `+1\r\nx\r\n${LAST_CHUNK}` },
  { what: 'chunk size -1', headers: [HOST, CHUNKED], body: `-1\r\nx\r\n${LAST_CHUNK}` },
  {
    what: 'chunk size of 17 digits',
    headers: [HOST, CHUNKED],
    body: `10000000000000001\r\nx\r\n${LAST_CHUNK}`,
  },
  { what: 'chunk longer than its size', headers: [HOST, CHUNKED], body: `1\r\nxy\r\n${LAST_CHUNK}` },
  { what: 'chunk size ended by a bare LF', headers: [HOST, CHUNKED], body: `1\nx\r\n${LAST_CHUNK}` },
  { what: 'chunk ended by a bare LF', headers: [HOST, CHUNKED], body: `1\r\nx\n${LAST_CHUNK}` },
  {
    what: 'chunk extension after \\r\\r',
    headers: [HOST, CHUNKED],
    body: `5\r\r;ABCD\r\n34\r\nE\r\n${LAST_CHUNK}`,
  },
  { what: 'chunk extension with a bare LF', headers: [HOST, CHUNKED], body: `1;a\nb\r\nx\r\n${LAST_CHUNK}` },
  { what: 'trailer with a bare CR', headers: [HOST, CHUNKED], body: `0\r\nx: y\rz\r\n\r\n` },
  { what: 'lines ended by a bare LF', headers: [HOST, 'content-length: 2'], lineEnd: '\n' },
  { what: 'lines ended by a bare CR', headers: [HOST, 'content-length: 2'], lineEnd: '\r' },
  { what: 'NUL in a value', headers: [HOST, 'x-nul: a\0b', 'content-length: 2'] },
  { what: 'NUL in a name', headers: [HOST, 'x-\0nul: a', 'content-length: 2'] },
  { what: 'CR in a value', headers: [HOST, 'x-cr: a\rb: c', 'content-length: 2'] },
  { what: 'blank before a colon', headers: [HOST, 'content-length : 2'] },
  { what: 'tab before a colon', headers: [HOST, 'content-length\t: 2'] },
  { what: 'header without a colon', headers: [HOST, 'content-length 2'] },
  { what: 'header without a name', headers: [HOST, ': x', 'content-length: 2'] },
  { what: 'folded header', headers: [HOST, 'x-folded: a', ' content-length: 2'] },
  { what: 'blank line before the first header folded', headers: [' x: y', HOST, 'content-length: 2'] },
  { what: 'no host', headers: ['content-length: 2'] },
  { what: 'two hosts, different', headers: [HOST, 'host: other', 'content-length: 2'] },
  { what: 'two hosts, equal', headers: [HOST, HOST, 'content-length: 2'] },
  { what: 'HTTP/9.9', headers: [HOST, 'content-length: 2'], requestLine: 'POST /webhooks/nice HTTP/9.9' },
  { what: 'HTTP/0.9', headers: [], requestLine: 'GET /livez' },
  {
    what: 'method with a blank',
    headers: [HOST, 'content-length: 2'],
    requestLine: 'PO ST /webhooks/nice HTTP/1.1',
  },
  {
    what: 'unknown method',
    headers: [HOST, 'content-length: 2'],
    requestLine: 'SMUGGLE /webhooks/nice HTTP/1.1',
  },
  { what: 'TLS to a plain port', headers: [], requestLine: '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' },
]

const bytesOf = (one: Ambiguous): Buffer => {
  const { headers, body = BODY, requestLine = 'POST /webhooks/nice HTTP/1.1', lineEnd = '\r\n' } = one
  const head = [requestLine, ...headers, ...(headers.length > 0 ? [TYPE] : []), '', '']
  return Buffer.from(head.join(lineEnd) + body, 'latin1')
}

/** The corpus, for whatever it is sent through. */
export const ambiguousRequests = (): readonly { readonly what: string; readonly bytes: Buffer }[] =>
  AMBIGUOUS.map((one) => ({ what: one.what, bytes: bytesOf(one) }))

/** Requests that two HTTP parsers in a row may read differently: refused whole, and nothing behind them is read. */
export const smugglingCases = (): readonly SecurityCase[] => [
  ...AMBIGUOUS.map((one) =>
    securityCase(
      `smuggling: ${one.what}`,
      '400, closed',
      async ({ ingress: { port }, journal }) => {
        const steps = [Buffer.concat([bytesOf(one), Buffer.from(SMUGGLED)])]
        return describeExchange(await exchangeRaw({ port, steps, waitMs: WAIT_MS, journal }))
      },
      { waits: true },
    ),
  ),
  securityCase(
    'smuggling: chunk longer than its size, in a request that is refused for its media type',
    'nothing behind it answered, closed',
    async ({ ingress: { port }, journal }) => {
      const head = ['POST /webhooks/nice HTTP/1.1', HOST, CHUNKED, '', ''].join('\r\n')
      const steps = [`${head}1\r\nxy\r\n${LAST_CHUNK}${SMUGGLED}`]
      const { statuses, isClosed } = await exchangeRaw({ port, steps, waitMs: WAIT_MS, journal })
      const end = isClosed ? 'closed' : 'open'
      return statuses.includes(200) ? `${statuses.join(', ')}, ${end}` : `nothing behind it answered, ${end}`
    },
    { waits: true },
  ),
  securityCase(
    'smuggling: a good request behind a good one is answered (the check itself)',
    '200, 200, open',
    async (rig) => {
      const { ingress, journal } = rig
      const steps = [SMUGGLED + SMUGGLED]
      return describeExchange(await exchangeRaw({ port: ingress.port, steps, waitMs: 1_000, journal }))
    },
  ),
]
