import type { IncomingMessage } from 'node:http'
import { isInRanges, type AddressRange } from '@weir/contracts'
import {
  contentCodingOf,
  acceptsMediaType,
  RequestHeaders,
  type CertificateResult,
  type RequestLine,
} from '@weir/sources'
import type { FastifyReply, FastifyRequest } from 'fastify'
import {
  errorResponse,
  send,
  sendAndClose,
  sendEarly,
  TOO_LARGE,
  type HttpResponse,
} from '../intake/response.ts'
import { errorBody } from '../intake/judge-head.ts'
import type { Route } from '../sources/source-table.ts'

/** One request to a source: what is needed to check it and to respond. */
export class Exchange {
  readonly route: Route
  readonly headers: RequestHeaders
  readonly startedAt: number
  /** Undefined if its source requires none. */
  readonly certificate: CertificateResult | undefined
  readonly #reply: FastifyReply

  constructor(reply: FastifyReply, route: Route, trusted: readonly AddressRange[]) {
    this.route = route
    this.startedAt = performance.now()
    this.headers = new RequestHeaders(reply.request.raw.rawHeaders)
    this.#reply = reply
    this.certificate = route.access.checkCertificate?.(
      this.headers,
      isInRanges(reply.request.raw.socket.remoteAddress ?? '', trusted),
    )
  }

  /** Tells whether its source requires no client certificate, or the request has a valid one. */
  get isCertified(): boolean {
    return this.certificate === undefined || this.certificate === 'good'
  }

  get request(): IncomingMessage {
    return this.#reply.request.raw
  }

  /** Method and target, which some providers sign. */
  get line(): RequestLine {
    const { method, url } = this.request
    return { method: method!, target: url! }
  }

  answer(response: HttpResponse): void {
    send(this.#reply, response)
    this.#count(response)
  }

  /** Before the body was read. */
  answerEarly(response: HttpResponse): void {
    sendEarly(this.#reply, response, () => this.#count(response))
  }

  /** The body is not read to its end. */
  answerUnread(response: HttpResponse): void {
    sendAndClose(this.#reply, response)
    this.#count(response)
  }

  #count({ status }: HttpResponse): void {
    this.route.metrics.answered(status, this.startedAt)
  }
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Undefined if the request is not for a source. */
    exchange: Exchange | undefined
  }
}

const METHOD = errorResponse(405, 'Method not allowed', { allow: 'POST' })

/** What can be refused before any byte of the body is read. */
export const refuseBeforeBody = (
  { route, headers }: Exchange,
  request: FastifyRequest,
  peer: () => string,
): HttpResponse | undefined => {
  if (request.raw.method !== 'POST') return METHOD
  const { source, ranges } = route.access
  if (ranges !== undefined && !isInRanges(peer(), ranges)) {
    return { status: 403, body: errorBody(source, 'Address not allowed') }
  }
  // Node has checked that it is one number.
  if (Number(request.headers['content-length'] ?? 0) > route.bodyBytesMax) return TOO_LARGE
  if (!acceptsMediaType(source, headers.get('content-type'))) {
    return errorResponse(415, `Send ${source.mediaTypes[0] ?? 'application/json'}`)
  }
  return contentCodingOf(source, headers) === 'not_accepted' ? wrongCoding(source.acceptEncodings) : undefined
}

const wrongCoding = (taken: readonly string[]): HttpResponse =>
  taken.length === 0
    ? errorResponse(415, 'Encoded bodies are not accepted', { 'accept-encoding': 'identity' })
    : errorResponse(415, `Encode bodies with ${taken.join(' or ')}`, { 'accept-encoding': taken.join(', ') })
