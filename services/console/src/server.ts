import { isInRanges, parseCidr, plainJson } from '@weir/contracts'
import { readinessAnswer, TokenGate, type AccessTokens, type Metrics, type Readiness } from '@weir/runtime'
import { RetriableError, type AuditLog } from '@weir/kafka'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { ConsoleConfig } from './config.ts'
import type { ConsoleMetrics } from './console-metrics.ts'
import type { Answer } from './find-event.ts'
import { INTERACTION_FORMS, type InteractionAnswer, type InteractionForm } from './find-interaction.ts'

export interface ServerOptions {
  readonly config: Pick<ConsoleConfig, 'badTokensMax' | 'badTokensSecs' | 'trustedProxies'>
  /** Every token may ask for the status of an event. A `reader` may also ask for the state of interactions. */
  readonly tokens: AccessTokens
  readonly audit: Pick<AuditLog, 'write'>
  readonly metrics: Metrics
  readonly counters: ConsoleMetrics
  readonly readiness: Readiness
  /** Finds what is known about an event key, 16 bytes. */
  readonly findEvent: (eventKey: Buffer) => Promise<Answer>
  /** Finds the latest state of an interaction. */
  readonly findInteraction: (
    source: string,
    interactionId: string,
    form: InteractionForm,
  ) => Promise<InteractionAnswer>
}

const SOURCE = /^[a-z][a-z\d-]{0,39}$/
const ID_BYTES_MAX = 512
/** Length of an id with each byte as `%xx`. */
const PARAM_LENGTH_MAX = 3 * ID_BYTES_MAX
const EVENT_KEY = /^[\da-f]{32}$/i
const HEADER_BYTES_MAX = 16_384
const HEADERS_MS_MAX = 3_000
const REQUEST_MS_MAX = 5_000
const CONNECTIONS_MAX = 1_000
const RETRY_AFTER_SECS = '5'
const NOT_NOTED = '{"error":"The audit log cannot be written, so nothing is read: try again"}'
const UNKNOWN_TOKEN = '{"error":"Give a known token as Authorization: Bearer"}'

/** Builds the HTTP server, which checks who may ask what. It does not listen yet. */
export const buildServer = (options: ServerOptions): FastifyInstance => {
  const { config, metrics, readiness } = options
  const trusted = config.trustedProxies.map(parseCidr)
  const app = fastify({
    logger: false,
    bodyLimit: 1_024,
    trustProxy: trusted.length > 0 && ((peer: string) => isInRanges(peer, trusted)),
    requestTimeout: REQUEST_MS_MAX,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: PARAM_LENGTH_MAX },
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
  const guards = tokenGuards(options)
  routeEvents(app, options, guards.anyToken)
  routeInteractions(app, options, guards.readToken)
  return app
}

const OTHER_METHODS = ['DELETE', 'HEAD', 'PATCH', 'POST', 'PUT', 'OPTIONS'] as const

type Guard = (request: FastifyRequest, reply: FastifyReply) => Promise<void>

const onlyGet = (app: FastifyInstance, url: string): void => {
  app.route({
    method: [...OTHER_METHODS],
    url,
    handler: (_request, reply) => send(reply.header('allow', 'GET'), 405, '{"error":"Method not allowed"}'),
  })
}

const routeInteractions = (
  app: FastifyInstance,
  { counters, findInteraction, tokens, audit }: ServerOptions,
  guard: Guard,
): void => {
  const url = '/interactions/:source/:interactionId'
  interface Asked {
    readonly Params: { readonly source: string; readonly interactionId: string }
    readonly Querystring: { readonly form?: unknown }
  }
  app.get<Asked>(url, { onRequest: guard }, async (request, reply) => {
    const { source, interactionId } = request.params
    const bytes = Buffer.byteLength(interactionId)
    const form = INTERACTION_FORMS.find((one) => one === (request.query.form ?? 'weir'))
    if (!SOURCE.test(source) || bytes === 0 || bytes > ID_BYTES_MAX || form === undefined) {
      counters.questions.inc({ status: 'bad_key' })
      return send(
        reply,
        400,
        `{"error":"Request /interactions/<source>/<id> with an id of 1 to ${ID_BYTES_MAX} bytes and ?form= ${INTERACTION_FORMS.join(' or ')}"}`,
      )
    }
    const { name = '', role = '' } = tokens.find(request.headers.authorization, Date.now()) ?? {}
    const who = { service: 'console', name, role, address: request.ip }
    try {
      await audit.write({ what: 'interaction.read', who, details: { source, interactionId, form } })
    } catch (error) {
      if (!(error instanceof RetriableError)) throw error
      counters.questions.inc({ status: 'not_noted' })
      return send(reply.header('retry-after', RETRY_AFTER_SECS), 503, NOT_NOTED)
    }
    const { code, status, body } = await findInteraction(source, interactionId, form)
    counters.questions.inc({ status })
    if (code === 503) reply.header('retry-after', RETRY_AFTER_SECS)
    return send(reply, code, plainJson(body))
  })
  onlyGet(app, url)
}

const routeEvents = (app: FastifyInstance, { counters, findEvent }: ServerOptions, guard: Guard): void => {
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
    return send(reply, code, plainJson(body))
  })
  onlyGet(app, url)
}

/** Refuses requests without a valid token, with the same response for every cause, and tokens without the right. */
const tokenGuards = ({ config, tokens, counters }: ServerOptions) => {
  const gate = new TokenGate(tokens, { max: config.badTokensMax, windowMs: config.badTokensSecs * 1_000 })
  const anyToken: Guard = async (request, reply) => {
    const admission = gate.admit(request.headers.authorization, request.ip)
    if (admission.kind === 'admitted') return
    if (admission.kind === 'limited') {
      counters.questions.inc({ status: 'turned_away' })
      reply.header('retry-after', String(admission.retryAfterSecs))
      await send(reply, 429, '{"error":"Too many unknown tokens"}')
      return
    }
    counters.questions.inc({ status: 'unknown_token' })
    await send(reply.header('www-authenticate', 'Bearer'), 401, UNKNOWN_TOKEN)
  }
  const readToken: Guard = async (request, reply) => {
    await anyToken(request, reply)
    if (reply.sent || tokens.find(request.headers.authorization, Date.now())?.role === 'reader') return
    counters.questions.inc({ status: 'forbidden' })
    await send(reply, 403, '{"error":"This token may not read interactions: use one of CONSOLE_READ_TOKENS"}')
  }
  return { anyToken, readToken }
}

const send = (reply: FastifyReply, status: number, body: string): FastifyReply =>
  reply.code(status).type('application/json').send(body)
