import type { IncomingMessage, ServerResponse } from 'node:http'
import { encodeReceivedWebhook, HmacKey, type ReceivedWebhook } from '@weir/contracts'
import { LaneError, partitionOf, type Lanes } from '@weir/kafka'
import { failpoint, type Logger } from '@weir/service-kit'
import { isInRanges, RequestHeaders } from '@weir/sources'
import type { IngressConfig } from './config.ts'
import { answer, answerAndClose, answerEarly, errorBody, type AnswerHeaders } from './http-answer.ts'
import { answerOf, intake, type Intake } from './intake.ts'
import { readBody, type ArrivingBytes, type BodyFailure } from './read-body.ts'
import type { Shadow } from './shadow.ts'
import type { Route, SourceTable } from './source-table.ts'

export interface ReceiverOptions {
  readonly config: Pick<IngressConfig, 'bodyHashKey'>
  readonly logger: Logger
  readonly table: SourceTable
  readonly arriving: ArrivingBytes
  readonly shadow: Shadow
  /** Undefined until the brokers answered. */
  readonly lanes: () => Lanes | undefined
  /** True: connections are closed after their answer. */
  readonly isClosing: () => boolean
}

/** One request on its way: what is needed to answer it. */
interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly route: Route
  readonly headers: RequestHeaders
  readonly startedAt: number
}

type Accepted = Extract<Intake, { kind: 'accept' }>
type Refused = Extract<Intake, { kind: 'refuse' }>

interface Refusal {
  readonly status: number
  readonly body: string
}

const RETRY_AFTER: AnswerHeaders = ['retry-after', '5']
const ALLOW: AnswerHeaders = ['allow', 'POST']
const CLOSE: AnswerHeaders = ['connection', 'close']
const BAD_ESCAPE = /%(?![\da-f]{2})/i
const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i

const BODIES = {
  badRequest: errorBody('Bad request'),
  notFound: errorBody('Not found'),
  method: errorBody('Method not allowed'),
  tooLarge: errorBody('Body too large'),
  encoded: errorBody('Encoded bodies are not accepted'),
  tooMany: errorBody('Too many requests'),
  unavailable: errorBody('Temporarily unavailable'),
  internal: errorBody('Internal error'),
  address: 'Address not allowed',
}

/** Takes requests to the sources' paths: judges them, has them written, and answers. */
export class Receiver {
  readonly #options: ReceiverOptions
  readonly #bodyHashKey: HmacKey

  constructor(options: ReceiverOptions) {
    this.#options = options
    this.#bodyHashKey = new HmacKey('sha256', Buffer.from(options.config.bodyHashKey))
  }

  /** `peer` gives the address that the request comes from, as far as proxies are trusted. */
  receive(request: IncomingMessage, response: ServerResponse, peer: () => string): void {
    const path = pathOf(request.url!)
    const route = this.#options.table.find(path)
    if (route === undefined) {
      if (BAD_ESCAPE.test(path)) answerEarly(request, response, 400, BODIES.badRequest)
      else answerEarly(request, response, 404, BODIES.notFound)
      return
    }
    const startedAt = performance.now()
    const exchange = { request, response, route, headers: new RequestHeaders(request.rawHeaders), startedAt }
    if (request.method !== 'POST') {
      this.#answerEarly(exchange, 405, BODIES.method, ALLOW)
      return
    }
    const refusal = beforeBody(exchange, peer)
    if (refusal !== undefined) {
      if (refusal.status === 413) this.#answerUnread(exchange, refusal.status, refusal.body)
      else this.#answerEarly(exchange, refusal.status, refusal.body)
      return
    }
    readBody(request, route.bodyBytesMax, this.#options.arriving, (body) => {
      if (typeof body === 'string') this.#answerFailure(exchange, body)
      else this.#judge(exchange, body)
    })
  }

  #answerFailure(exchange: Exchange, failure: BodyFailure): void {
    switch (failure) {
      case 'too_large':
        this.#answerUnread(exchange, 413, BODIES.tooLarge)
        break
      case 'full':
        this.#answerUnread(exchange, 503, BODIES.unavailable, RETRY_AFTER)
        break
      case 'gone':
        break
    }
  }

  #fail(exchange: Exchange, error: unknown): void {
    const { name, message } = error as Error
    const { source } = exchange.route.access
    this.#options.logger.error({ source: source.name, error: name, message }, 'a request failed')
    this.#answer(exchange, 500, BODIES.internal)
  }

  #judge(exchange: Exchange, raw: Buffer): void {
    try {
      this.#follow(exchange, raw)
    } catch (error) {
      this.#fail(exchange, error)
    }
  }

  #follow(exchange: Exchange, raw: Buffer): void {
    const { route, headers } = exchange
    const { access, metrics } = route
    const outcome = intake(access, this.#bodyHashKey, { headers, raw, receivedAt: Date.now() })
    metrics.judged(outcome.kind === 'unavailable' ? outcome : outcome.verdict)
    if (outcome.kind === 'unavailable') {
      this.#answer(exchange, 503, BODIES.unavailable, RETRY_AFTER)
      return
    }
    const bucket = outcome.kind === 'refuse' ? route.refused : route.accepted
    const waitSecs = bucket?.take(exchange.startedAt) ?? 0
    if (waitSecs > 0) this.#answer(exchange, 429, BODIES.tooMany, ['retry-after', String(waitSecs)])
    else if (outcome.kind === 'accept') this.#accept(exchange, outcome)
    else this.#refuse(exchange, raw, outcome)
  }

  #refuse(exchange: Exchange, raw: Buffer, { status, answer: body, verdict }: Refused): void {
    this.#answer(exchange, status, body)
    // A wrong token says nothing of the signature.
    if (verdict.kind === 'token') return
    this.#options.shadow.consider(exchange.route.access, exchange.headers, raw, exchange.startedAt)
  }

  #accept(exchange: Exchange, { webhook, status, answer: body }: Accepted): void {
    if (webhook.dedupKeyFallback !== undefined) exchange.route.metrics.fellBack()
    const lanes = this.#options.lanes()
    if (lanes === undefined) {
      this.#answer(exchange, 503, BODIES.unavailable, RETRY_AFTER)
      return
    }
    this.#write(exchange, webhook, lanes).then(
      () => {
        failpoint('ingress.appended')
        this.#answer(exchange, status, body)
        failpoint('ingress.answered')
      },
      (error: unknown) => {
        if (error instanceof LaneError) this.#answerUnwritten(exchange, error)
        else this.#fail(exchange, error)
      },
    )
  }

  /** Resolves when every in-sync replica has it; else rejects with a `LaneError`. */
  #write({ route, startedAt }: Exchange, webhook: ReceivedWebhook, lanes: Lanes): Promise<void> {
    const record = encodeReceivedWebhook(webhook)
    failpoint('ingress.before-produce')
    const sent = lanes.send(partitionOf(record.key, lanes.partitions), record)
    const { requestBudgetMs } = route
    return requestBudgetMs === undefined
      ? sent
      : within(sent, startedAt + requestBudgetMs - performance.now())
  }

  #answerUnwritten(exchange: Exchange, { kind }: LaneError): void {
    const { source } = exchange.route.access
    this.#options.logger.debug({ source: source.name, kind }, 'a webhook was not acknowledged')
    if (kind === 'too_large') this.#answer(exchange, 413, BODIES.tooLarge)
    else this.#answer(exchange, 503, BODIES.unavailable, RETRY_AFTER)
  }

  #answer(exchange: Exchange, status: number, body: string, headers?: AnswerHeaders): void {
    const { response, route, startedAt } = exchange
    answer(response, status, body, this.#withClose(headers))
    route.metrics.answered(status, startedAt)
  }

  #answerEarly(exchange: Exchange, status: number, body: string, headers?: AnswerHeaders): void {
    const { request, response, route, startedAt } = exchange
    answerEarly(request, response, status, body, this.#withClose(headers))
    route.metrics.answered(status, startedAt)
  }

  #withClose(headers: AnswerHeaders | undefined): AnswerHeaders | undefined {
    return this.#options.isClosing() ? [...(headers ?? []), ...CLOSE] : headers
  }

  /** The body is not read to its end. */
  #answerUnread(exchange: Exchange, status: number, body: string, headers?: AnswerHeaders): void {
    answerAndClose(exchange.request, exchange.response, status, body, headers)
    exchange.route.metrics.answered(status, exchange.startedAt)
  }
}

/** Of a request's target. */
const pathOf = (url: string): string => {
  const end = url.indexOf('?')
  return end < 0 ? url : url.slice(0, end)
}

/** What can be refused before a byte of the body is read. */
const beforeBody = ({ request, route, headers }: Exchange, peer: () => string): Refusal | undefined => {
  const { source, ranges } = route.access
  if (ranges !== undefined && !isInRanges(peer(), ranges)) {
    return { status: 403, body: answerOf(source, BODIES.address) }
  }
  // Node has checked that it is one number.
  if (Number(request.headers['content-length'] ?? 0) > route.bodyBytesMax) {
    return { status: 413, body: BODIES.tooLarge }
  }
  const type = headers.get('content-type')
  if (type === undefined || !isTaken(source.mediaTypes, type)) {
    return { status: 415, body: errorBody(`Send ${source.mediaTypes[0] ?? 'application/json'}`) }
  }
  const isEncoded = headers.count('content-encoding') > 0 && headers.get('content-encoding') !== 'identity'
  return isEncoded ? { status: 415, body: BODIES.encoded } : undefined
}

const isTaken = (mediaTypes: readonly string[], type: string): boolean =>
  mediaTypes.length === 0
    ? JSON_TYPE.test(type)
    : mediaTypes.includes(type.split(';', 1)[0]!.trim().toLowerCase())

/** Rejects as a lane does when the promise takes longer; what was sent may still arrive. */
const within = async (sent: Promise<void>, ms: number): Promise<void> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new LaneError('deadline', 'no acknowledgement in time')), Math.max(0, ms))
  })
  try {
    await Promise.race([sent, late])
  } finally {
    clearTimeout(timer)
    sent.catch(() => undefined)
  }
}
