import { encodeReceivedWebhook } from '@weir/contracts'
import { LaneError, partitionOf, type Lanes } from '@weir/kafka'
import { failpoint, readinessAnswer, type Logger, type Metrics, type Readiness } from '@weir/service-kit'
import { isInRanges, parseCidr, SOURCES, type SourceDefinition } from '@weir/sources'
import fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify'
import { secretsOf, type IngressConfig } from './config.ts'
import { answerOf, intake, type SourceAccess } from './intake.ts'

export interface ServerOptions {
  readonly config: IngressConfig
  readonly logger: Logger
  readonly metrics: Metrics
  /** Undefined until the brokers answered. */
  readonly lanes: () => Lanes | undefined
  readonly readiness: Readiness
}

const RETRY_AFTER_SECS = '5'
const HEADER_BYTES_MAX = 16_384
const HEADERS_MS_MAX = 4_000
const BODY_MS_MAX = 6_000
const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i
const OTHER_METHODS = ['DELETE', 'GET', 'HEAD', 'PATCH', 'PUT'] as const
const EMPTY = Buffer.alloc(0)

const isOn = (source: SourceDefinition, config: IngressConfig): boolean =>
  source.verifier.kind === 'hmac' ? secretsOf(config, source.name).length > 0 : config.cognigyCidrs.length > 0

/** The HTTP side: routes, limits and answers. Listens on nothing yet. */
export const buildServer = (options: ServerOptions): FastifyInstance => {
  const { config, metrics, readiness } = options
  const app = fastify({
    logger: false,
    bodyLimit: config.bodyBytesMax,
    trustProxy: config.trustedProxies.length > 0 && [...config.trustedProxies],
    requestTimeout: BODY_MS_MAX,
    forceCloseConnections: 'idle',
    return503OnClosing: true,
    exposeHeadRoutes: false,
    http: {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: HEADERS_MS_MAX,
      connectionsCheckingInterval: 1_000,
    },
    frameworkErrors: (_error, _request, reply) => {
      void (reply as FastifyReply).code(400).type('application/json').send('{"error":"Bad request"}')
    },
  })
  app.server.maxConnections = config.connectionsMax
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(JSON_TYPE, { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  app.setErrorHandler(answerError)
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).type('application/json').send('{"error":"Not found"}'),
  )

  app.get('/livez', (_request, reply) => reply.type('application/json').send('{"status":"live"}'))
  app.get('/readyz', (_request, reply) => {
    const { status, body } = readinessAnswer(readiness)
    return reply.code(status).type('application/json').send(body)
  })
  app.get('/metrics', async (_request, reply) =>
    reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
  )
  const requests = metrics.counter('weir_ingress_requests_total', 'Webhook requests answered.', [
    'source',
    'status',
  ])
  const seconds = metrics.histogram('weir_ingress_request_seconds', 'From the whole body to the answer.', [
    'source',
  ])
  for (const source of SOURCES.filter((one) => isOn(one, config))) {
    const receive = receiver(source, options)
    const guard = addressGuard(source, config)
    for (const url of source.paths) {
      app.post(url, { onRequest: guard }, async (request, reply) => {
        const stop = seconds.startTimer({ source: source.name })
        await receive(request, reply)
        failpoint('ingress.answered')
        stop()
        requests.inc({ source: source.name, status: reply.statusCode })
      })
      app.route({
        method: [...OTHER_METHODS],
        url,
        handler: (_request, reply) =>
          reply
            .code(405)
            .header('allow', 'POST')
            .type('application/json')
            .send('{"error":"Method not allowed"}'),
      })
    }
  }
  return app
}

/** Turns away peers and encodings before their bodies are read. */
const addressGuard = (source: SourceDefinition, config: IngressConfig) => {
  const ranges = config.cognigyCidrs.map(parseCidr)
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    if (source.verifier.kind === 'address' && !isInRanges(request.ip, ranges)) {
      await reply
        .code(source.statusInvalid)
        .type('application/json')
        .send(answerOf(source, source.answerInvalid))
      return
    }
    const encoding = request.headers['content-encoding']
    if (encoding !== undefined && encoding !== 'identity') {
      await reply.code(415).type('application/json').send('{"error":"Encoded bodies are not accepted"}')
    }
  }
}

const receiver = (source: SourceDefinition, { config, lanes, logger }: ServerOptions) => {
  const access: SourceAccess = { source, secrets: secretsOf(config, source.name), token: config.cognigyToken }
  const bodyHashKey = Buffer.from(config.bodyHashKey)
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const raw = Buffer.isBuffer(request.body) ? request.body : EMPTY
    const outcome = intake(access, bodyHashKey, { headers: request.headers, raw, receivedAt: Date.now() })
    const send = async (status: number, body: string) => {
      if (body !== '') reply.type('application/json')
      await reply.code(status).send(body)
    }
    if (outcome.kind === 'refuse') return send(outcome.status, outcome.answer)
    const ready = lanes()
    if (ready === undefined) return unavailable(reply)
    const record = encodeReceivedWebhook(outcome.webhook)
    failpoint('ingress.before-produce')
    try {
      await ready.send(partitionOf(record.key, ready.partitions), record)
    } catch (error) {
      if (!(error instanceof LaneError)) throw error
      if (error.kind === 'too_large') return send(413, '{"error":"Body too large"}')
      logger.debug({ source: source.name, kind: error.kind }, 'a webhook was not acknowledged')
      return unavailable(reply)
    }
    failpoint('ingress.appended')
    return send(outcome.status, outcome.answer)
  }
}

const unavailable = async (reply: FastifyReply): Promise<void> => {
  await reply
    .code(503)
    .header('retry-after', RETRY_AFTER_SECS)
    .type('application/json')
    .send('{"error":"Temporarily unavailable"}')
}

const TEXTS: Readonly<Record<number, string>> = {
  400: 'Bad request',
  413: 'Body too large',
  415: 'Send application/json',
  503: 'Temporarily unavailable',
}

const answerError = async (
  error: FastifyError,
  _request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> => {
  const status = error.statusCode ?? 500
  // The rest of a body that was refused is not read.
  if (status === 413) reply.header('connection', 'close')
  const text = TEXTS[status] ?? 'Internal error'
  await reply
    .code(TEXTS[status] === undefined ? 500 : status)
    .type('application/json')
    .send(JSON.stringify({ error: text }))
}
