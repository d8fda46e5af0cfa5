import { request as httpsRequest } from 'node:https'
import { HttpClient } from '../../http-client.ts'
import { NOT_RUN } from '../../report.ts'
import { exchangeRaw } from '../../raw-exchange.ts'
import {
  certificateOf,
  startHttpProxy,
  type ClientCertificate,
  type HttpProxy,
  type ProxyName,
} from '../../rig/http-proxies.ts'
import type { Rig } from '../../rig/rig.ts'
import { securityCase, type SecurityCase } from '../../security-case.ts'
import { bodyOf, freshId, signedHeaders } from '../../source-under-test.ts'
import { ambiguousRequests, HOST, TYPE } from './smuggling.ts'

/** Would be a request of its own at ingress if the proxy took it for part of another. */
const INNER = 'POST /webhooks/smuggled HTTP/1.1\r\nhost: weir\r\ncontent-length: 0\r\n\r\n'
const CHUNKED = 'transfer-encoding: chunked'
const WAIT_MS = 400
const COUNT_MS = 2_000

interface Attack {
  readonly what: string
  readonly bytes: Buffer
}

const attack = (
  what: string,
  headers: readonly string[],
  body: string,
  line = 'POST /webhooks/nice HTTP/1.1',
) => ({ what, bytes: Buffer.from([line, ...headers, '', body].join('\r\n'), 'latin1') })

const chunkOf = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`
const LAST = '0\r\n\r\n'

/** Spellings of `Transfer-Encoding: chunked`. A parser may know only some of them. */
const CODINGS = [
  'Transfer-Encoding: chunked',
  'Transfer-Encoding : chunked',
  'Transfer-Encoding:\tchunked',
  'Transfer-Encoding: Chunked',
  'Transfer-Encoding: x, chunked',
  'Transfer-Encoding: chunked;q=1',
  'Transfer-Encoding: chunked\x00',
  'Transfer-Encoding:\r\n chunked',
  'X: y\nTransfer-Encoding: chunked',
  'X: y\rTransfer-Encoding: chunked',
  'Transfer_Encoding: chunked',
  'Transfer-Encoding\x0b: chunked',
  'Transfer-Encoding: identity\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity',
  'Content-Encoding: chunked\r\nTransfer-Encoding: "chunked"',
]

const ATTACKS: readonly Attack[] = [
  ...ambiguousRequests().map(({ what, bytes }) => ({
    what,
    bytes: Buffer.concat([bytes, Buffer.from(INNER)]),
  })),
  ...CODINGS.flatMap((coding) => [
    // The proxy goes by the length, ingress by the chunks, and the other way round.
    attack(
      `CL.TE with ${JSON.stringify(coding)}`,
      [HOST, TYPE, `content-length: ${LAST.length + INNER.length}`, coding],
      LAST + INNER,
    ),
    attack(
      `TE.CL with ${JSON.stringify(coding)}`,
      [HOST, TYPE, 'content-length: 4', coding],
      chunkOf(INNER) + LAST,
    ),
  ]),
  ...['5;a=b', '5;a="\r\n', '5 ;a', '005', '5\t', '5;\n', '5\n;', '0000000000000005', '5,5'].map((size) =>
    attack(
      `chunk size ${JSON.stringify(size)}`,
      [HOST, TYPE, CHUNKED],
      `${size}\r\nhello\r\n${LAST}${INNER}`,
    ),
  ),
  ...['content-length: 60', 'transfer-encoding: chunked', 'host: other'].map((trailer) =>
    attack(`trailer ${trailer}`, [HOST, TYPE, CHUNKED], `0\r\n${trailer}\r\n\r\n${INNER}`),
  ),
  ...['content-length', 'transfer-encoding', 'host', 'close, content-length'].map((name) =>
    attack(
      `connection: ${name}`,
      [HOST, TYPE, `connection: ${name}`, `content-length: ${INNER.length}`],
      INNER,
    ),
  ),
  attack('a body of GET', [HOST, `content-length: ${INNER.length}`], INNER, 'GET /webhooks/nice HTTP/1.1'),
  attack(
    'absolute form',
    [HOST, TYPE, 'content-length: 2'],
    `{}${INNER}`,
    'POST http://other/webhooks/nice HTTP/1.1',
  ),
  attack(
    'HTTP/1.0 kept alive, in chunks',
    [HOST, 'connection: keep-alive', CHUNKED],
    LAST + INNER,
    'POST /webhooks/nice HTTP/1.0',
  ),
  attack(
    'Expect and a body that holds a request',
    [HOST, TYPE, 'expect: 100-continue', `content-length: ${INNER.length}`],
    INNER,
  ),
  attack(
    'an upgrade to h2c',
    [
      HOST,
      TYPE,
      'connection: upgrade, http2-settings',
      'upgrade: h2c',
      'http2-settings: AAMAAABkAAQAAP__',
      'content-length: 2',
    ],
    `{}${INNER}`,
  ),
  attack(
    'names with underscores and blanks',
    [HOST, TYPE, 'content_length: 60', 'content length: 60', 'content-length: 2'],
    `{}${INNER}`,
  ),
]

/** How many requests ingress has responded to, over all sources. */
const answeredBy = async (rig: Rig): Promise<number> =>
  (await rig.ingress.get('/metrics'))
    .split('\n')
    .filter((line) => line.startsWith('weir_ingress_requests_total'))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)

/** Undefined when ingress responded only to requests that the proxy counted. */
const uncounted = async (
  rig: Rig,
  proxy: HttpProxy,
  from: { answered: number; forwarded: number },
): Promise<string | undefined> => {
  const deadline = performance.now() + COUNT_MS
  for (;;) {
    const answered = (await answeredBy(rig)) - from.answered
    const forwarded = proxy.forwarded() - from.forwarded
    if (answered <= forwarded) return undefined
    if (performance.now() > deadline) return `${answered} answers to ${forwarded} requests`
  }
}

const withProxy = async (
  name: ProxyName,
  port: number,
  run: (proxy: HttpProxy) => Promise<string>,
): Promise<string> => {
  const proxy = await startHttpProxy(name, port)
  // A machine without the package cannot have this row.
  if (typeof proxy === 'string') return NOT_RUN + proxy
  return run(proxy).finally(() => proxy.stop())
}

const smuggle = async (rig: Rig, proxy: HttpProxy): Promise<string> => {
  const client = new HttpClient(proxy.port, rig.journal)
  const { strict } = rig.sources
  const found: string[] = []
  const from = { answered: await answeredBy(rig), forwarded: proxy.forwarded() }
  try {
    for (const { what, bytes } of ATTACKS) {
      const { port } = proxy
      await exchangeRaw({ port, steps: [bytes], waitMs: WAIT_MS, journal: rig.journal })
      // On the connection to ingress that the attack has used, if the proxy keeps it.
      const raw = bodyOf(strict, { id: freshId() })
      const { status } = await client.send({ path: strict.path, headers: signedHeaders(strict, raw), raw })
      if (status !== 200) found.push(`${what}: another's request got ${status}`)
      const more = await uncounted(rig, proxy, from)
      if (more !== undefined) return `${what}: ${more}`
    }
  } finally {
    client.close()
  }
  return found.length === 0 ? EACH_ONE : found.join('; ')
}

const EACH_ONE = 'one answer for each request, others untouched'

const overTls = (
  port: number,
  { ca, cert, key }: Partial<ClientCertificate>,
  forged?: string,
): Promise<number> =>
  new Promise((resolve, reject) => {
    const raw = Buffer.from(JSON.stringify({ id: freshId(), type: 't' }))
    const request = httpsRequest(
      {
        host: '127.0.0.1',
        port,
        method: 'POST',
        path: '/webhooks/certified',
        agent: false,
        checkServerIdentity: () => undefined,
        ...(ca && { ca }),
        ...(cert && { cert }),
        ...(key && { key }),
        headers: {
          'content-type': 'application/json',
          'content-length': raw.length,
          ...(forged !== undefined && { 'x-ssl-client-s-dn': forged }),
        },
      },
      (response) => {
        response.resume()
        response.once('end', () => resolve(response.statusCode ?? 0))
      },
    )
    request.once('error', reject)
    request.end(raw)
  })

/** The identity of the source `certified`, as nginx writes it. */
const CERTIFIED = 'CN=sender,O=Acme'

const certificates = async (rig: Rig, { tlsPort }: HttpProxy): Promise<string> => {
  const { ca } = certificateOf('sender')
  const raw = Buffer.from('{"id":"direct","type":"t"}')
  const direct = await rig.schemes.send({
    path: '/webhooks/certified',
    headers: ['content-type', 'application/json', 'x-ssl-client-s-dn', CERTIFIED],
    raw,
  })
  const statuses = [
    await overTls(tlsPort, certificateOf('sender')),
    await overTls(tlsPort, certificateOf('other')),
    await overTls(tlsPort, certificateOf('other'), CERTIFIED),
    await overTls(tlsPort, { ca }),
    await overTls(tlsPort, { ca }, CERTIFIED),
    direct.status,
  ]
  return statuses.join(', ')
}

/** Real proxies before ingress: what one of them counts as one request is never two. */
export const httpProxyCases = (): readonly SecurityCase[] => [
  ...(['nginx', 'haproxy'] as const).map((name) =>
    securityCase(`smuggling: ${ATTACKS.length} requests through ${name}`, EACH_ONE, (rig) =>
      withProxy(name, rig.ingress.port, (proxy) => smuggle(rig, proxy)),
    ),
  ),
  securityCase('smuggling: a request that no proxy has counted (the check itself)', 'noticed', (rig) =>
    withProxy('nginx', rig.ingress.port, async (proxy) => {
      const from = { answered: await answeredBy(rig), forwarded: proxy.forwarded() }
      await rig.ingress.send({ method: 'GET', path: '/webhooks/smuggled', headers: [], raw: Buffer.alloc(0) })
      return (await uncounted(rig, proxy, from)) === undefined ? 'not noticed' : 'noticed'
    }),
  ),
  securityCase(
    'client certificate: through nginx its own, another, none, forged ones; without nginx',
    '200, 401, 401, 401, 401, 401',
    (rig) => withProxy('nginx', rig.schemes.port, (proxy) => certificates(rig, proxy)),
  ),
]
