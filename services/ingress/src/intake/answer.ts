import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'

export interface Answer {
  readonly status: number
  /** JSON, unless the headers say otherwise; empty: none. */
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
}

/** How much, and how long, of a body that was refused is still taken, so that the client reads the answer instead of meeting a reset. */
const DISCARD_BYTES_MAX = 1_048_576
const DISCARD_MS_MAX = 1_000

export const errorAnswer = (
  status: number,
  text: string,
  headers?: Readonly<Record<string, string>>,
): Answer => ({ status, body: JSON.stringify({ error: text }), ...(headers && { headers }) })

export const TOO_LARGE = errorAnswer(413, 'Body too large')

/** False: the client is gone, or the request was already answered. */
export const send = (reply: FastifyReply, { status, body, headers }: Answer): boolean => {
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

/** Connections with an answer to a request of which the body is still to come. */
const answeredEarly = new WeakSet<Socket>()

export const isAnsweredEarly = (socket: Socket): boolean => answeredEarly.has(socket)

/** Whether the client holds the body back until it is told to go on. HTTP/1.0 knows no such thing. */
export const isAwaitingContinue = ({ headers, httpVersion }: IncomingMessage): boolean =>
  headers.expect !== undefined && httpVersion === '1.1'

/**
 * Answers before the body was read; what comes of it is thrown away. Not at once: when what has arrived with the head
 * is no proper body, the whole request is refused instead. A client that was not told to go on may send its body or
 * not, so nothing behind it is read. `sent`: this is the answer that it gets.
 */
export const sendEarly = (reply: FastifyReply, answer: Answer, sent: () => void): void => {
  const request = reply.request.raw
  const { socket } = request
  setImmediate(() => {
    // The socket of `inject` has no such property.
    if (!((socket.writable as boolean | undefined) ?? true)) return
    if (!request.complete) {
      answeredEarly.add(socket)
      request.once('end', () => answeredEarly.delete(socket))
    }
    const isSent = isAwaitingContinue(request) ? sendAndClose(reply, answer) : send(reply, answer)
    if (isSent) sent()
    discardSome(request)
  })
}

/** Answers while the client still sends, then closes. False: as `send`. */
export const sendAndClose = (reply: FastifyReply, { status, body, headers }: Answer): boolean => {
  if (reply.sent || reply.raw.destroyed) return false
  void reply
    .code(status)
    .headers({ ...headers, connection: 'close', ...(body !== '' && { 'content-type': 'application/json' }) })
    .header('content-length', String(Buffer.byteLength(body)))
    .send(Readable.from(untilSent(body, reply.request.raw), { objectMode: false }))
  return true
}

/** Of a body without end the connection is not kept either. */
const discardSome = (request: IncomingMessage): void => {
  let discarded = 0
  request.on('data', (chunk: Buffer) => {
    discarded += chunk.length
    if (discarded > DISCARD_BYTES_MAX) request.destroy()
  })
}

/** The body, which ends when the client has sent all of its own, or more than is worth waiting for. */
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
