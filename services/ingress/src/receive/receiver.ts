import type { IncomingMessage } from 'node:http'
import {
  encodeReceivedWebhook,
  networkOf,
  parseCidr,
  type AddressRange,
  HmacKey,
  type ReceivedWebhook,
} from '@weir/contracts'
import { LaneError, partitionOf, type Lanes } from '@weir/kafka'
import { failpoint, type Logger } from '@weir/runtime'
import type { HandshakeReply, TokenResult } from '@weir/sources'
import type { FastifyReply, FastifyRequest } from 'fastify'
import {
  errorResponse,
  isAwaitingContinue,
  sendEarly,
  TOO_LARGE,
  type HttpResponse,
} from '../intake/response.ts'
import type { IngressConfig } from '../config.ts'
import { Exchange, refuseBeforeBody } from './exchange.ts'
import { openHandshake } from '../intake/handshake.ts'
import { intake, type Intake } from '../intake/intake.ts'
import { judgeHead, type Refusal } from '../intake/judge-head.ts'
import { readBody, type BodyFault } from './read-body.ts'
import type { Shadow } from '../sources/shadow.ts'
import { peerOf } from './peer.ts'
import type { SourceTable } from '../sources/source-table.ts'
import type { Strangers } from '../sources/strangers.ts'
import { Suspects } from './suspects.ts'

export interface ReceiverOptions {
  readonly config: Pick<IngressConfig, 'bodyHashKey' | 'trustedProxies'>
  readonly logger: Logger
  readonly table: SourceTable
  readonly shadow: Shadow
  readonly strangers: Strangers
  /** Undefined until the brokers responded. */
  readonly lanes: () => Lanes | undefined
}

type Accepted = Extract<Intake, { kind: 'accept' }>

const WARN_MS = 60_000
const BAD_ESCAPE = /%(?![\da-f]{2})/i
const ABSOLUTE = /^https?:\/\/[^/?#]*/i

export const BAD_REQUEST = errorResponse(400, 'Bad request')
const NOT_FOUND = errorResponse(404, 'Not found')
const UNAVAILABLE = errorResponse(503, 'Temporarily unavailable', { 'retry-after': '5' })
const KEYLESS = 'requests get 503 because the keys that check them are not available'
/** A write takes much less time. */
const GATE_WAIT_SECS = 1
/** The assumed cost of a wrong JWT. Its check runs in other threads. */
const TOKEN_MS = 0.25
const BODY_RESPONSES: Readonly<Record<BodyFault, HttpResponse>> = {
  too_large: TOO_LARGE,
  full: UNAVAILABLE,
  scattered: errorResponse(400, 'The body arrives in too many pieces'),
  late: errorResponse(408, 'Request timeout'),
}
const INTERNAL = errorResponse(500, 'Internal error')

/**
 * Accepts requests to the paths of the sources: checks them, has them written, and responds. Its methods are the steps
 * of a Fastify route.
 */
export class Receiver {
  readonly #options: ReceiverOptions
  readonly #bodyHashKey: HmacKey
  readonly #trusted: readonly AddressRange[]
  readonly #suspects = new Suspects()
  readonly #warnedAt = new Map<string, number>()

  constructor(options: ReceiverOptions) {
    this.#options = options
    this.#trusted = options.config.trustedProxies.map(parseCidr)
    this.#bodyHashKey = new HmacKey('sha256', Buffer.from(options.config.bodyHashKey))
  }

  /** Finds the source of a request, and refuses what needs no body. `next` is called if the body is to be read. */
  arrive(request: FastifyRequest, reply: FastifyReply, next: () => void): void {
    const path = pathOf(request.raw.url!)
    const route = this.#options.table.find(path)
    if (route === undefined) {
      this.refuseStranger(reply, BAD_ESCAPE.test(path) ? BAD_REQUEST : NOT_FOUND)
      return
    }
    const exchange = new Exchange(reply, route, this.#trusted)
    const peer = (): string => peerOf(request.raw, this.#trusted)
    const handshake = exchange.isCertified
      ? openHandshake(route.access, exchange.headers, request, peer)
      : undefined
    if (handshake !== undefined) {
      exchange.answerEarly(handshakeResponse(exchange, handshake))
      return
    }
    const refusal = refuseBeforeBody(exchange, request, peer) ?? this.#refuseHead(exchange, request)
    request.exchange = exchange
    if (refusal === undefined) next()
    else if (refusal.status === 413) exchange.answerUnread(refusal)
    else exchange.answerEarly(refusal)
  }

  /** Refuses unauthenticated requests before their bodies take memory and time. */
  #refuseHead(exchange: Exchange, { raw }: FastifyRequest): HttpResponse | undefined {
    const { route, headers, line, certificate, startedAt } = exchange
    const { name } = route.access.source
    const refusal = judgeHead(route.access, { headers, line, certificate, receivedAt: Date.now() })
    if (refusal !== undefined) return this.#answerRefusal(exchange, refusal)
    const waitSecs = this.#suspects.waitSecs(name, () => this.#senderOf(raw), startedAt)
    if (waitSecs === 0) return undefined
    this.#warn(
      name,
      'requests of a sender get 429 because checking its wrong signatures takes too much processor time',
    )
    return tooMany(waitSecs)
  }

  #senderOf(request: IncomingMessage): string {
    return networkOf(peerOf(request, this.#trusted))
  }

  /** A request that is not for a source. */
  refuseStranger(reply: FastifyReply, response: HttpResponse): void {
    sendEarly(reply, response, () => this.countStranger(response.status, reply.request.raw))
  }

  /** A request that was refused before its source was looked up. Undefined if it could not be parsed that far. */
  countStranger(status: number, request?: IncomingMessage): void {
    this.#options.strangers.refused(status, request?.method, request && pathOf(request.url!))
  }

  /** A request that ended in the middle of its body, and not because of the receiver. */
  countCut(status: number, request: IncomingMessage): void {
    const route = this.#options.table.find(pathOf(request.url!))
    if (route === undefined) this.countStranger(status, request)
    else route.metrics.answered(status)
  }

  /** Reads the exact bytes of a body within the limits of its source, and checks the request. */
  receive({ exchange, raw }: FastifyRequest, reply: FastifyReply): void {
    const { route, startedAt } = exchange!
    const { bodyBytesMax: bytesMax, requestBudgetMs, share } = route
    const msMax = requestBudgetMs && startedAt + requestBudgetMs - performance.now()
    readBody(raw, { bytesMax, msMax }, share, (fault, body) => {
      if (fault !== null) {
        exchange!.answerUnread(BODY_RESPONSES[fault])
        return
      }
      // Fastify does not catch errors of this callback.
      try {
        this.#check(exchange!, body!)
      } catch (error) {
        this.#answerFault(exchange!, error as Error)
      }
    })
    if (isAwaitingContinue(raw) && !reply.sent) reply.raw.writeContinue()
  }

  /** An error in the middle of a request. */
  fail(error: Error, { exchange }: FastifyRequest, reply: FastifyReply): void {
    if (exchange === undefined) this.refuseStranger(reply, BAD_REQUEST)
    else this.#answerFault(exchange, error)
  }

  /** Checks a request after its body has been read. */
  #check(exchange: Exchange, raw: Buffer): void {
    const { route, headers } = exchange
    const { checkToken } = route.access
    if (checkToken === undefined) {
      this.#judge(exchange, raw)
      return
    }
    checkToken(headers, raw, Date.now())
      .then((token) => this.#judge(exchange, raw, token))
      .catch((error: unknown) => this.#answerFault(exchange, error as Error))
  }

  #judge(exchange: Exchange, raw: Buffer, token?: TokenResult): void {
    const { route, headers } = exchange
    const { access, metrics } = route
    const { bodyBytesMax } = route
    const { line, certificate } = exchange
    const judgedFrom = performance.now()
    const request = { headers, raw, line, token, certificate, bodyBytesMax, receivedAt: Date.now() }
    const outcome = intake(access, this.#bodyHashKey, request)
    if (outcome.kind === 'refuse' || outcome.kind === 'unavailable') {
      const ms = performance.now() - judgedFrom + (token === undefined ? 0 : TOKEN_MS)
      if (outcome.kind === 'refuse') {
        this.#suspects.charge(access.source.name, this.#senderOf(exchange.request), ms, judgedFrom)
      }
      exchange.answer(this.#answerRefusal(exchange, outcome, raw))
      return
    }
    this.#suspects.vouch(access.source.name, () => this.#senderOf(exchange.request), judgedFrom)
    metrics.judged(outcome.result)
    if (outcome.kind === 'handshake') {
      exchange.answer(handshakeResponse(exchange, outcome.reply))
      return
    }
    const waitSecs = route.accepted?.take(exchange.startedAt) ?? 0
    if (waitSecs > 0) exchange.answer(tooMany(waitSecs))
    else if (outcome.kind === 'accept') this.#accept(exchange, outcome)
    else exchange.answer({ status: outcome.status, body: outcome.body })
  }

  /** Counted and limited. `raw`: undefined if only the head was checked. */
  #answerRefusal({ route, headers, startedAt }: Exchange, refusal: Refusal, raw?: Buffer): HttpResponse {
    const { access, metrics, refused } = route
    if (refusal.kind === 'unavailable') {
      metrics.judged(refusal)
      this.#warn(access.source.name, KEYLESS, refusal.cause)
      return UNAVAILABLE
    }
    metrics.judged(refusal.result)
    const waitSecs = refused?.take(startedAt) ?? 0
    if (waitSecs > 0) return tooMany(waitSecs)
    if (raw !== undefined) this.#options.shadow.consider(access, headers, raw, startedAt)
    return { status: refusal.status, body: refusal.body }
  }

  /** At most once a minute for each source, because anyone can send requests. */
  #warn(source: string, text: string, cause?: string): void {
    const now = performance.now()
    const key = `${source} ${text}`
    if (now - (this.#warnedAt.get(key) ?? -WARN_MS) < WARN_MS) return
    this.#warnedAt.set(key, now)
    this.#options.logger.warn({ source, ...(cause !== undefined && { cause }) }, text)
  }

  #accept(exchange: Exchange, { webhooks, status, body }: Accepted): void {
    for (const { dedupKeyFallback } of webhooks) {
      if (dedupKeyFallback !== undefined) exchange.route.metrics.fellBack()
    }
    const lanes = this.#options.lanes()
    if (lanes === undefined) {
      exchange.answer(UNAVAILABLE)
      return
    }
    const { gate } = exchange.route
    if (gate?.enter() === false) {
      exchange.answer(tooMany(GATE_WAIT_SECS))
      return
    }
    const written = this.#write(exchange, webhooks, lanes)
    if (gate !== undefined) written.finally(() => gate.leave()).catch(() => undefined)
    written.then(
      () => {
        failpoint('ingress.appended')
        exchange.answer({ status, body })
        failpoint('ingress.answered')
      },
      (error: unknown) => {
        if (error instanceof LaneError) this.#answerUnwritten(exchange, error)
        else this.#answerFault(exchange, error as Error)
      },
    )
  }

  /** Resolves when every in-sync replica has all of them. Rejects with a `LaneError`. */
  #write({ route, startedAt }: Exchange, webhooks: readonly ReceivedWebhook[], lanes: Lanes): Promise<void> {
    const records = webhooks.map((webhook) => {
      const record = encodeReceivedWebhook(webhook)
      return { partition: partitionOf(record.key, lanes.partitions), record }
    })
    failpoint('ingress.before-produce')
    const sent = lanes.sendAll(records)
    const { requestBudgetMs } = route
    return requestBudgetMs === undefined
      ? sent
      : within(sent, startedAt + requestBudgetMs - performance.now())
  }

  #answerUnwritten(exchange: Exchange, { kind }: LaneError): void {
    const { source } = exchange.route.access
    this.#options.logger.debug({ source: source.name, kind }, 'a webhook was not acknowledged')
    exchange.answer(kind === 'too_large' ? TOO_LARGE : UNAVAILABLE)
  }

  #answerFault(exchange: Exchange, { name, message }: Error): void {
    const { source } = exchange.route.access
    this.#options.logger.error({ source: source.name, error: name, message }, 'a request failed')
    exchange.answer(INTERNAL)
  }
}

/** Counted and limited, because strangers can send them. */
const handshakeResponse = ({ route, startedAt }: Exchange, reply: HandshakeReply): HttpResponse => {
  const waitSecs = route.handshakes.take(startedAt)
  route.metrics.shookHands(reply.handshake, waitSecs > 0 ? 'limited' : reply.outcome)
  return waitSecs > 0 ? tooMany(waitSecs) : reply
}

const tooMany = (waitSecs: number): HttpResponse =>
  errorResponse(429, 'Too many requests', { 'retry-after': String(waitSecs) })

/** For a request's target, which may be an absolute URL. */
const pathOf = (target: string): string => {
  const path = target.startsWith('/') ? target : target.replace(ABSOLUTE, '')
  const end = path.indexOf('?')
  return end < 0 ? path : path.slice(0, end)
}

/** Rejects like a lane if the promise takes longer. Records that were sent may still arrive. */
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
