import { plainJson } from '@weir/contracts'
import { LaneError, OffsetOutOfRangeError, RetriableError } from '@weir/kafka'
import { isLocal, readinessAnswer } from '@weir/runtime'
import fastify, { type FastifyInstance } from 'fastify'
import type { ApiOptions } from './api-options.ts'
import { addApprovalRoute, addJobRoutes } from './job-routes.ts'
import { guard } from './guard.ts'
import { addLetterRoutes } from './letter-routes.ts'
import { BadRequestError, parseBody } from './requests.ts'
import { ScanLimit } from './scans.ts'

const BODY_BYTES_MAX = 65_536
const HEADERS_MS_MAX = 3_000
const REQUEST_MS_MAX = 10_000
const CONNECTIONS_MAX = 1_000

interface HttpError extends Error {
  readonly statusCode?: number
  readonly headers?: Readonly<Record<string, string>>
}

/** Temporary faults: the brokers are unavailable, or retention has just deleted a letter that was being read. */
const isTemporary = (error: Error): boolean =>
  [RetriableError, LaneError, OffsetOutOfRangeError].some((one) => error instanceof one)

/** Builds the HTTP server for letters and jobs. It does not listen yet. */
export const buildApi = (options: ApiOptions): FastifyInstance => {
  const { logger, tokens } = options
  const app = fastify({
    logger: false,
    bodyLimit: BODY_BYTES_MAX,
    forceCloseConnections: true,
    requestTimeout: REQUEST_MS_MAX,
    http: { headersTimeout: HEADERS_MS_MAX, connectionsCheckingInterval: 1_000 },
  })
  app.server.maxConnections = CONNECTIONS_MAX
  app.setReplySerializer((body) => plainJson(body))
  app.setErrorHandler(async (error: HttpError, _request, reply) => {
    const { statusCode = isTemporary(error) ? 503 : 500, message, headers = {} } = error
    if (statusCode < 500) return reply.code(statusCode).headers(headers).send({ error: message })
    if (statusCode === 503) return reply.code(503).send({ error: 'The dead letters cannot be reached' })
    logger.error({ error: error.name, stack: error.stack }, 'a request failed')
    return reply.code(500).send({ error: 'Internal error' })
  })
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
    // A cancel request has no body.
    try {
      done(null, body === '' ? undefined : parseBody(body as string))
    } catch (error) {
      done(error instanceof BadRequestError ? error : new BadRequestError('the body is not JSON'))
    }
  })
  addProbes(app, options)
  const scans = new ScanLimit()
  void app.register((v1, _options, done) => {
    guard(v1, tokens)
    addLetterRoutes(v1, options, scans)
    addJobRoutes(v1, options, scans)
    addApprovalRoute(v1, options)
    done()
  })
  return app
}

const addProbes = (app: FastifyInstance, { readiness, metrics, partitions }: ApiOptions): void => {
  app.get('/livez', () => ({ status: 'live' }))
  app.get('/readyz', (_request, reply) => {
    const { status, body } = readinessAnswer(readiness, partitions.parked())
    return reply.code(status).type('application/json').send(body)
  })
  app.get('/metrics', async (_request, reply) =>
    reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
  )
  for (const [name, answer] of Object.entries(partitions.routes)) {
    const [method, url] = name.split(' ') as [string, string]
    app.route({
      method,
      url,
      handler: async (request, reply) => {
        if (!isLocal(request.raw))
          return reply.code(403).send({ error: 'Only requests from this machine are allowed' })
        const { status, body } = await answer(new URLSearchParams(request.query as Record<string, string>))
        return reply.code(status).send(body)
      },
    })
  }
}
