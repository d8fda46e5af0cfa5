import { METHODS, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { mayReadMetrics, METRICS_REFUSAL, readinessAnswer } from '@weir/runtime'
import { RequestHeaders } from '@weir/sources'
import fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import { errorResponse, isAnsweredEarly, send, type HttpResponse } from '../intake/response.ts'
import type { IngressConfig } from '../config.ts'
import { BAD_REQUEST, type Receiver } from './receiver.ts'
import { limitSenders } from './limit-senders.ts'
import { Untouched } from './untouched.ts'

/** What the probes report. */
export interface Probes {
  /** Why the service is not ready. Empty if it is. */
  readonly readiness: () => Promise<readonly string[]>
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>
}

export interface ServerOptions {
  readonly config: Pick<IngressConfig, 'connectionsMax' | 'keepAliveSecs' | 'trustedProxies' | 'metricsToken'>
  /** Undefined if they have a port of their own. */
  readonly probes: Probes | undefined
  readonly receiver: Receiver
  /** If true, connections are closed after their response. */
  readonly isClosing: () => boolean
}

const HEADER_BYTES_MAX = 16_384
const HEADERS_MAX = 128
/** Node checks its connections at this interval, so it may exceed a time limit by as much. */
const CHECK_MS = 500
const HEADERS_MS_MAX = 3_000
const REQUEST_MS_MAX = 5_000

/** The HTTP side: limits for requests, the probes, and the route to the receiver. It does not listen yet. */
export const buildServer = ({ config, probes, receiver, isClosing }: ServerOptions): FastifyInstance => {
  const app = fastify({
    logger: false,
    requestTimeout: REQUEST_MS_MAX,
    keepAliveTimeout: config.keepAliveSecs * 1_000,
    forceCloseConnections: 'idle',
    // A stopping server still serves the requests that reach it.
    return503OnClosing: false,
    exposeHeadRoutes: false,
    http: {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: HEADERS_MS_MAX,
      connectionsCheckingInterval: CHECK_MS,
    },
    clientErrorHandler: (error, socket) => {
      const isLate = error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      if (isLate && !isClosing() && untouched.spare(socket)) return
      const { _httpMessage: current } = socket as { _httpMessage?: ServerResponse | null }
      const status = answerBadRequest(error, socket, current ?? undefined)
      if (status === undefined) return
      if (current) receiver.countCut(status, current.req)
      else receiver.countStranger(status)
    },
    frameworkErrors: (_error, _request, reply) => receiver.refuseStranger(reply as FastifyReply, BAD_REQUEST),
  })
  const untouched = new Untouched(app.server, config.keepAliveSecs * 1_000)
  app.server.maxConnections = config.connectionsMax
  app.server.maxHeadersCount = HEADERS_MAX
  limitSenders(app.server, config)
  answerExpectations(app.server)
  app.addHook('onRequest', ({ raw }, reply, next) => {
    const refusal = refusalOf(raw)
    if (refusal === undefined) next()
    else {
      send(reply, refusal)
      receiver.countStranger(refusal.status, raw)
    }
  })
  app.addHook('onSend', (_request, reply, _payload, next) => {
    if (isClosing()) reply.raw.shouldKeepAlive = false
    next()
  })
  if (probes !== undefined) addProbes(app, probes, config.metricsToken)
  addWebhooks(app, receiver)
  return app
}

/** One route for all sources. Their paths change at runtime, so the receiver looks them up and not the router. */
const addWebhooks = (app: FastifyInstance, receiver: Receiver): void => {
  for (const method of METHODS) {
    if (!app.supportedMethods.includes(method)) app.addHttpMethod(method, { hasBody: true })
  }
  app.decorateRequest('exchange', undefined)
  // The source decides which bodies it accepts, so the receiver reads them. A parser of Fastify would also be an
  // additional async resource for each request.
  app.addHttpMethod('POST', { hasBody: false, overrideExisting: true })
  app.setErrorHandler<Error>((error, request, reply) => receiver.fail(error, request, reply))
  app.route({
    method: app.supportedMethods,
    url: '*',
    exposeHeadRoute: false,
    onRequest: (request, reply, next) => receiver.arrive(request, reply, next),
    handler: (request, reply) => receiver.receive(request, reply),
  })
}

const addProbes = (app: FastifyInstance, { readiness, metrics }: Probes, token: string | undefined): void => {
  const json = (reply: FastifyReply, status: number, body: string) =>
    reply.code(status).type('application/json').send(body)
  app.get('/livez', (_request, reply) => json(reply, 200, '{"status":"live"}'))
  app.get('/readyz', async (_request, reply) => {
    const reasons = await readiness()
    const { status, body } = readinessAnswer(() => reasons)
    return json(reply, status, body)
  })
  app.get('/metrics', async (request, reply) => {
    if (!mayReadMetrics(token, request.raw)) return json(reply, 401, METRICS_REFUSAL)
    const { contentType, text } = await metrics()
    return reply.type(contentType).send(text)
  })
}

const CLOSE = { connection: 'close' }
const TOO_MANY_HEADERS = errorResponse(431, 'Too many headers', CLOSE)
const AMBIGUOUS = errorResponse(400, 'Bad request', CLOSE)
const UNKNOWN_EXPECTATION = errorResponse(417, 'Expectation failed', CLOSE)

/**
 * A client that waits for `100 Continue` gets it when its body is to be read, after its head was checked. Node would
 * send it at once. A client that has sent its last byte still gets its responses.
 */
const answerExpectations = (server: Server): void => {
  const judge = (request: IncomingMessage, response: ServerResponse): void => {
    server.emit('request', request, response)
  }
  server.on('checkContinue', judge).on('checkExpectation', judge)
  Object.assign(server, { httpAllowHalfOpen: true })
}

/** Refused on every path: Node reads it as a request, but a proxy in front may read it differently. */
const refusalOf = ({ rawHeaders, headers, httpVersion }: IncomingMessage): HttpResponse | undefined => {
  if (rawHeaders.length >= 2 * HEADERS_MAX) return TOO_MANY_HEADERS
  const coding = headers['transfer-encoding']
  const isAmbiguous =
    (httpVersion !== '1.1' && (httpVersion !== '1.0' || coding !== undefined)) ||
    new RequestHeaders(rawHeaders).count('host') > 1 ||
    (coding !== undefined && coding.toLowerCase() !== 'chunked')
  if (isAmbiguous) return AMBIGUOUS
  const { expect } = headers
  return expect === undefined || expect.toLowerCase() === '100-continue' ? undefined : UNKNOWN_EXPECTATION
}

const STATUSES: Readonly<Record<string, readonly [status: string, text: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'Request timeout'],
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'Headers too large'],
}

/**
 * Responds to bytes that Node could not parse as a request or did not receive in time. Undefined if the client is gone.
 */
const answerBadRequest = (
  error: NodeJS.ErrnoException,
  socket: Socket,
  current: ServerResponse | undefined,
): number | undefined => {
  // An earlier request on this connection still waits for its response, or this one has its own. A second response
  // would be taken for that of another request.
  const isAnswering =
    isAnsweredEarly(socket) || (current !== undefined && (current.req.complete || current.headersSent))
  if (error.code === 'ECONNRESET' || !socket.writable || isAnswering) {
    socket.destroy()
    return undefined
  }
  const [status, text] = STATUSES[error.code ?? ''] ?? ['400 Bad Request', 'Bad request']
  const { body } = errorResponse(0, text)
  socket.end(
    `HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  )
  socket.destroySoon()
  return Number.parseInt(status, 10)
}
