import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { readinessAnswer } from '@weir/service-kit'
import { parseCidr, RequestHeaders } from '@weir/sources'
import type { IngressConfig } from './config.ts'
import { answer, errorBody, isAnsweredEarly } from './http-answer.ts'
import { peerAddressOf } from './peer-address.ts'
import { pathOf, type Receiver } from './receiver.ts'

/** What the probes tell. */
export interface Probes {
  /** Why it is not ready; empty: it is ready. */
  readonly readiness: () => Promise<readonly string[]>
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>
}

export interface ServerOptions {
  readonly config: Pick<IngressConfig, 'trustedProxies' | 'connectionsMax'>
  readonly probes: Probes
  readonly receiver: Receiver
  /** True: connections are closed after their answer. */
  readonly isClosing: () => boolean
}

const HEADER_BYTES_MAX = 16_384
const HEADERS_MAX = 128
/** Node looks at its connections this often, so a limit of time may be over by as much. */
const CHECK_MS = 500
const HEADERS_MS_MAX = 3_000
const REQUEST_MS_MAX = 5_000
/** Longer than proxies keep idle connections: the one that does not send closes them, so no request meets a closed one. */
const KEEP_ALIVE_MS = 75_000

/** The HTTP side: limits of requests, the probes, and the way to the receiver. Listens on nothing yet. */
export const buildServer = ({ config, probes, receiver, isClosing }: ServerOptions): Server => {
  const trusted = config.trustedProxies.map(parseCidr)
  const server = createServer(
    {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: HEADERS_MS_MAX,
      requestTimeout: REQUEST_MS_MAX,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: CHECK_MS,
    },
    (request, response) => {
      if (isClosing()) response.shouldKeepAlive = false
      const refusal = refusalOf(request)
      const probe = request.method === 'GET' ? PROBES.get(pathOf(request.url!)) : undefined
      if (refusal !== undefined) answer(response, refusal.status, errorBody(refusal.text), CLOSE)
      else if (probe !== undefined) void probe(probes, response)
      else receiver.receive(request, response, () => peerAddressOf(request, trusted))
    },
  )
  server.maxConnections = config.connectionsMax
  server.maxHeadersCount = HEADERS_MAX
  server.on('clientError', answerBadRequest)
  return server
}

type Probe = (probes: Probes, response: ServerResponse) => Promise<void>

const PROBES: ReadonlyMap<string, Probe> = new Map<string, Probe>([
  [
    '/livez',
    (_probes, response) => {
      answer(response, 200, '{"status":"live"}')
      return Promise.resolve()
    },
  ],
  [
    '/readyz',
    async ({ readiness }, response) => {
      const reasons = await readiness()
      const { status, body } = readinessAnswer(() => reasons)
      answer(response, status, body)
    },
  ],
  [
    '/metrics',
    async ({ metrics }, response) => {
      const { contentType, text } = await metrics()
      response.writeHead(200, { 'content-type': contentType }).end(text)
    },
  ],
])

const CLOSE = ['connection', 'close']

/** What is refused whatever its path is: what Node reads as a request and a proxy before it may read otherwise. */
const refusalOf = ({
  rawHeaders,
  headers,
  httpVersionMajor,
}: IncomingMessage): { readonly status: number; readonly text: string } | undefined => {
  if (rawHeaders.length >= 2 * HEADERS_MAX) return { status: 431, text: 'Too many headers' }
  const coding = headers['transfer-encoding']
  const isAmbiguous =
    httpVersionMajor < 1 ||
    new RequestHeaders(rawHeaders).count('host') > 1 ||
    (coding !== undefined && coding.toLowerCase() !== 'chunked')
  return isAmbiguous ? BAD_REQUEST : undefined
}

const BAD_REQUEST = { status: 400, text: 'Bad request' }

const STATUSES: Readonly<Record<string, readonly [status: string, text: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'Request timeout'],
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'Headers too large'],
}

/** What Node could not read as a request, or did not get in time. */
const answerBadRequest = (error: NodeJS.ErrnoException, socket: Socket): void => {
  // An answer of an earlier request on this connection is still to come, or this one has its own: a second one
  // would be taken for another's.
  const { _httpMessage: current } = socket as { _httpMessage?: ServerResponse | null }
  const isAnswering =
    isAnsweredEarly(socket) || (current ? current.req.complete || current.headersSent : false)
  if (error.code === 'ECONNRESET' || !socket.writable || isAnswering) {
    socket.destroy()
    return
  }
  const [status, text] = STATUSES[error.code ?? ''] ?? ['400 Bad Request', 'Bad request']
  const body = errorBody(text)
  socket.end(
    `HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  )
  socket.destroySoon()
}
