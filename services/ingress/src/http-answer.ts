import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Header names and values in turn. */
export type AnswerHeaders = readonly string[]

const NONE: AnswerHeaders = []
const JSON_HEAD = ['content-type', 'application/json', 'content-length']
const CLOSE: AnswerHeaders = ['connection', 'close']
/** How much, and how long, of a body that was refused is still taken, so that the client reads the answer instead of meeting a reset. */
const DISCARD_BYTES_MAX = 1_048_576
const DISCARD_MS_MAX = 1_000

/** Names and values in one list, and the length with them: Node writes that as it is, without chunks. */
export const answer = (
  response: ServerResponse,
  status: number,
  body: string,
  headers: AnswerHeaders = NONE,
): void => {
  if (response.writableEnded || response.destroyed) return
  response.writeHead(status, headOf(body, headers))
  response.end(body)
}

const headOf = (body: string, headers: AnswerHeaders): string[] =>
  body === ''
    ? ['content-length', '0', ...headers]
    : [...JSON_HEAD, String(Buffer.byteLength(body)), ...headers]

/** Connections with an answer to a request of which the body is still to come. */
const answeredEarly = new WeakSet<Socket>()

export const isAnsweredEarly = (socket: Socket): boolean => answeredEarly.has(socket)

/**
 * Answers before the body was read; what comes of it is thrown away. Not at once: when what has arrived with the head
 * is no proper body, the whole request is refused instead.
 */
export const answerEarly = (
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  body: string,
  headers: AnswerHeaders = NONE,
): void => {
  const { socket } = request
  setImmediate(() => {
    if (!socket.writable) return
    if (!request.complete) {
      answeredEarly.add(socket)
      request.once('end', () => answeredEarly.delete(socket))
    }
    answer(response, status, body, headers)
    request.resume()
  })
}

/** Answers while the client still sends, then closes. */
export const answerAndClose = (
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  body: string,
  headers: AnswerHeaders = NONE,
): void => {
  if (response.writableEnded || response.destroyed) return
  response.writeHead(status, headOf(body, [...headers, ...CLOSE]))
  response.write(body)
  let discarded = 0
  const close = (): void => {
    clearTimeout(timer)
    response.end()
  }
  const timer = setTimeout(close, DISCARD_MS_MAX)
  request.on('data', (chunk: Buffer) => {
    discarded += chunk.length
    if (discarded > DISCARD_BYTES_MAX) close()
  })
  request.on('end', close).on('close', close)
  request.resume()
}

export const errorBody = (text: string): string => JSON.stringify({ error: text })
