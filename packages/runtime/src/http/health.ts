import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { isBearer } from '@weir/contracts'

/** Returns the reasons why the service is not ready; empty when it is ready. */
export type Readiness = () => readonly string[]

export interface ProbeServer {
  readonly port: number
  close(): Promise<void>
}

/**
 * Response of `/readyz`. `parked` lists what is stopped while the rest works, so it does not make the service unready.
 */
export const readinessAnswer = (
  readiness: Readiness,
  parked: readonly string[] = [],
): { status: 200 | 503; body: string } => {
  const reasons = readiness()
  const details = parked.length > 0 && { parked }
  return reasons.length === 0
    ? { status: 200, body: JSON.stringify({ status: 'ready', ...details }) }
    : { status: 503, body: JSON.stringify({ status: 'not ready', reasons, ...details }) }
}

/** A JSON response. */
export interface RouteAnswer {
  readonly status: number
  readonly body: object
}

/** Further routes of the same server, by method and path, such as `POST /simulator/generate`. They must not reject. */
export type Routes = Readonly<Record<string, (query: URLSearchParams) => Promise<RouteAnswer>>>

/** Headers that a proxy adds, or a browser when a page of another site sends the request. */
const OF_OTHERS = [
  'forwarded',
  'via',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-real-ip',
  'origin',
]

/** Whether the request comes directly from this machine. */
export const isLocal = ({ socket, headers }: Pick<IncomingMessage, 'socket' | 'headers'>): boolean =>
  /^(::ffff:)?127\.|^::1$/.test(socket.remoteAddress ?? '') &&
  OF_OTHERS.every((name) => headers[name] === undefined)

/** Source of the text that `/metrics` serves. */
export interface MetricsText {
  readonly registry: { readonly contentType: string; metrics(): Promise<string> }
}

/** Response to a request for `/metrics` without the right token. */
export const METRICS_REFUSAL = '{"error":"give the token of METRICS_TOKEN as Authorization: Bearer"}'

/** Whether a request may read the metrics; compared in constant time. Without a configured token everybody may. */
export const mayReadMetrics = (token: string | undefined, { headers }: IncomingMessage): boolean =>
  token === undefined || isBearer(headers.authorization, token)

/** Serves `/livez`, `/readyz` and `/metrics`. Rejects with the code EADDRINUSE when the port is taken. */
export const startProbeServer = async (options: {
  readonly port: number
  readonly host: string
  readonly readiness: () => readonly string[] | Promise<readonly string[]>
  readonly metrics: MetricsText
  /** Bearer token that `/metrics` requires; undefined: none. */
  readonly metricsToken?: string | undefined
  readonly routes?: Routes
  /** Routes that only requests from this machine may use. */
  readonly localRoutes?: Routes
  /** Lines for `/readyz`. */
  readonly parked?: () => readonly string[]
}): Promise<ProbeServer> => {
  const server = createServer((request, response) => {
    const reply = (status: number, body: string, type = 'application/json') => {
      response.writeHead(status, { 'content-type': type }).end(body)
    }
    if (request.url === '/livez') reply(200, '{"status":"live"}')
    else if (request.url === '/readyz') {
      Promise.resolve(options.readiness()).then(
        (reasons) => {
          const { status, body } = readinessAnswer(() => reasons, options.parked?.())
          reply(status, body)
        },
        () => reply(500, '{"error":"readiness failed"}'),
      )
    } else if (request.url === '/metrics' && !mayReadMetrics(options.metricsToken, request)) {
      reply(401, METRICS_REFUSAL)
    } else if (request.url === '/metrics') {
      options.metrics.registry.metrics().then(
        (text) => reply(200, text, options.metrics.registry.contentType),
        () => reply(500, '{"error":"metrics failed"}'),
      )
    } else {
      const [path, query] = (request.url ?? '').split('?')
      const name = `${request.method} ${path}`
      const localRoute = options.localRoutes?.[name]
      const route = options.routes?.[name] ?? localRoute
      if (route === undefined) reply(404, '{"error":"not found"}')
      else if (route === localRoute && !isLocal(request))
        reply(403, '{"error":"send this request from the machine that the service runs on"}')
      else {
        void route(new URLSearchParams(query)).then(({ status, body }) => {
          reply(status, JSON.stringify(body))
        })
      }
    }
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.host, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
