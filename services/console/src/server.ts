import { readinessAnswer, type Metrics, type Readiness } from '@weir/service-kit'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { BadTokenLimit } from './bad-token-limit.ts'
import { BearerTokens } from './bearer-tokens.ts'
import type { ConsoleConfig } from './config.ts'
import type { ConsoleMetrics } from './console-metrics.ts'
import type { Answer } from './find-event.ts'

export interface ServerOptions {
  readonly config: Pick<ConsoleConfig, 'badTokensMax' | 'badTokensSecs' | 'trustedProxies'>
  readonly tokens: readonly string[]
  readonly metrics: Metrics
  readonly counters: ConsoleMetrics
  readonly readiness: Readiness
  /** What is known of a key of 16 bytes. */
  readonly findEvent: (eventKey: Buffer) => Promise<Answer>
}

const EVENT_KEY = /^[\da-f]{32}$/i
const HEADER_BYTES_MAX = 16_384
const HEADERS_MS_MAX = 3_000
const REQUEST_MS_MAX = 5_000
const CONNECTIONS_MAX = 1_000
const RETRY_AFTER_SECS = '5'
const UNKNOWN_TOKEN = '{"error":"Give a known token as Authorization: Bearer"}'

/** The HTTP side: who may ask, and what. Listens on nothing yet. */
export const buildServer = (options: ServerOptions): FastifyInstance => {
  const { config, metrics, readiness } = options
  const app = fastify({
    logger: false,
    bodyLimit: 1_024,
    trustProxy: config.trustedProxies.length > 0 && [...config.trustedProxies],
    requestTimeout: REQUEST_MS_MAX,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    http: {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: HEADERS_MS_MAX,
      connectionsCheckingInterval: 1_000,
    },
    frameworkErrors: (_error, _request, reply) => {
      void send(reply, 400, '{"error":"Bad request"}')
    },
  })
  app.server.maxConnections = CONNECTIONS_MAX
  app.removeAllContentTypeParsers()
  app.addHook('onSend', async (_request, reply) => {
    reply.headers({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'referrer-policy': 'no-referrer',
    })
  })
  app.setErrorHandler((error: { statusCode?: number }, _request, reply) => {
    const isTheirs = (error.statusCode ?? 500) < 500
    return send(reply, isTheirs ? 400 : 500, `{"error":"${isTheirs ? 'Bad request' : 'Internal error'}"}`)
  })
  app.setNotFoundHandler((_request, reply) => send(reply, 404, '{"error":"Not found"}'))

  app.get('/livez', (_request, reply) => send(reply, 200, '{"status":"live"}'))
  app.get('/readyz', (_request, reply) => {
    const { status, body } = readinessAnswer(readiness)
    return send(reply, status, body)
  })
  app.get('/metrics', async (_request, reply) =>
    reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
  )
  routeEvents(app, options)
  return app
}

const OTHER_METHODS = ['DELETE', 'HEAD', 'PATCH', 'POST', 'PUT', 'OPTIONS'] as const

const routeEvents = (app: FastifyInstance, options: ServerOptions): void => {
  const { counters, findEvent } = options
  const guard = tokenGuard(options)
  const url = '/events/:eventKey'
  app.get<{ Params: { eventKey: string } }>(url, { onRequest: guard }, async (request, reply) => {
    const { eventKey } = request.params
    if (!EVENT_KEY.test(eventKey)) {
      counters.questions.inc({ status: 'bad_key' })
      return send(reply, 400, '{"error":"An event key is 32 hexadecimal digits"}')
    }
    const { code, status, body } = await findEvent(Buffer.from(eventKey, 'hex'))
    counters.questions.inc({ status })
    if (code === 503) reply.header('retry-after', RETRY_AFTER_SECS)
    return send(reply, code, JSON.stringify(body))
  })
  app.route({
    method: [...OTHER_METHODS],
    url,
    handler: (_request, reply) => send(reply.header('allow', 'GET'), 405, '{"error":"Method not allowed"}'),
  })
}

/** Turns away whoever has no token, with the same answer for every reason. */
const tokenGuard = ({ config, tokens, counters }: ServerOptions) => {
  const known = new BearerTokens(tokens)
  const limit = new BadTokenLimit({ max: config.badTokensMax, windowMs: config.badTokensSecs * 1_000 })
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const now = performance.now()
    const waitMs = limit.waitMs(request.ip, now)
    if (waitMs > 0) {
      counters.questions.inc({ status: 'turned_away' })
      reply.header('retry-after', String(Math.ceil(waitMs / 1_000)))
      await send(reply, 429, '{"error":"Too many unknown tokens"}')
      return
    }
    if (known.includes(request.headers.authorization)) return
    limit.add(request.ip, now)
    counters.questions.inc({ status: 'unknown_token' })
    await send(reply.header('www-authenticate', 'Bearer'), 401, UNKNOWN_TOKEN)
  }
}

const send = (reply: FastifyReply, status: number, body: string): FastifyReply =>
  reply.code(status).type('application/json').send(body)
