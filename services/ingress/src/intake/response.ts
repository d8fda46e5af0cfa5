import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'

export interface HttpResponse {
  readonly status: number
  /** JSON unless the headers say otherwise. Empty if there is none. */
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
}

/**
 * How much of a refused body is still read, and for how long, so that the client receives the response instead of a
 * connection reset.
 */
const DISCARD_BYTES_MAX = 1_048_576
const DISCARD_MS_MAX = 1_000

export const errorResponse = (
  status: number,
  text: string,
  headers?: Readonly<Record<string, string>>,
): HttpResponse => ({ status, body: JSON.stringify({ error: text }), ...(headers && { headers }) })

export const TOO_LARGE = errorResponse(413, 'Body too large')

/** Returns false if the client is gone or the request was already answered. */
export const send = (reply: FastifyReply, { status, body, headers }: HttpResponse): boolean => {
  if (reply.sent || reply.raw.destroyed) return false
  reply.code(status)
  if (headers !== undefined) reply.headers(headers)
  if (body === '') reply.send()
  else {
    reply
      .header('content-type', headers?.['content-type'] ?? 'application/json')
      .serializer(asItIs)
      .send(body)
  }
  return true
}

/** With a custom serializer Fastify adds no `charset`, which JSON does not have. */
const asItIs = (body: string): string => body

/** Connections with a response to a request whose body is still arriving. */
const answeredEarly = new WeakSet<Socket>()

export const isAnsweredEarly = (socket: Socket): boolean => answeredEarly.has(socket)

/** Tells whether the client waits for `100 Continue` before it sends the body. HTTP/1.0 does not have this. */
export const isAwaitingContinue = ({ headers, httpVersion }: IncomingMessage): boolean =>
  headers.expect !== undefined && httpVersion === '1.1'

/**
 * Responds before the body was read, and discards the body. The response is delayed, because if the bytes after the
 * head are not a valid body, the whole request is refused instead. A client without its `100 Continue` may or may not
 * send its body, so nothing after the head is read. `sent` is called if the client gets this response.
 */
export const sendEarly = (reply: FastifyReply, response: HttpResponse, sent: () => void): void => {
  const request = reply.request.raw
  const { socket } = request
  setImmediate(() => {
    // The socket of `inject` does not have this property.
    if (!((socket.writable as boolean | undefined) ?? true)) return
    if (!request.complete) {
      answeredEarly.add(socket)
      request.once('end', () => answeredEarly.delete(socket))
    }
    const isSent = isAwaitingContinue(request) ? sendAndClose(reply, response) : send(reply, response)
    if (isSent) sent()
    discardSome(request)
  })
}

/** Responds while the client is still sending, then closes the connection. Returns false like `send`. */
export const sendAndClose = (reply: FastifyReply, { status, body, headers }: HttpResponse): boolean => {
  if (reply.sent || reply.raw.destroyed) return false
  void reply
    .code(status)
    .headers({ ...headers, connection: 'close', ...(body !== '' && { 'content-type': 'application/json' }) })
    .header('content-length', String(Buffer.byteLength(body)))
    .send(Readable.from(untilSent(body, reply.request.raw), { objectMode: false }))
  return true
}

/** The connection of an endless body is closed too. */
const discardSome = (request: IncomingMessage): void => {
  let discarded = 0
  request.on('data', (chunk: Buffer) => {
    discarded += chunk.length
    if (discarded > DISCARD_BYTES_MAX) request.destroy()
  })
}

/** The body. It ends when the client has sent all of it, or more than is worth waiting for. */
async function* untilSent(body: string, request: IncomingMessage): AsyncGenerator<string> {
  if (body !== '') yield body
  await discard(request)
}

const discard = (request: IncomingMessage): Promise<void> =>
  new Promise((resolve) => {
    if (request.complete || request.destroyed) {
      resolve()
      return
    }
    let discarded = 0
    const timer = setTimeout(resolve, DISCARD_MS_MAX)
    const done = (): void => {
      clearTimeout(timer)
      resolve()
    }
    request.on('data', (chunk: Buffer) => {
      discarded += chunk.length
      if (discarded > DISCARD_BYTES_MAX) done()
    })
    request.on('end', done).on('close', done)
    request.resume()
  })
