import { createRequire } from 'node:module'
import type { Socket } from 'node:net'

const require = createRequire(import.meta.url)

type SocketFactory = (options: object) => Socket

const createSocketFactory = require('kafkajs/src/network/socketFactory') as () => SocketFactory

/** More than any broker answers, and as much as one takes (`socket.request.max.bytes`). */
const RESPONSE_BYTES_MAX = 104_857_600
const LENGTH_BYTES = 4
/** The number of the request, with which each answer begins. */
const RESPONSE_BYTES_MIN = 4

/**
 * The sockets of kafkajs, which end when an answer states a length that no answer has. kafkajs keeps what it is sent
 * until as much has come as that (the first bytes of an HTTP server state a gigabyte), and an answer of no bytes makes
 * it throw where nothing catches it.
 */
export const boundedSockets = (bytesMax = RESPONSE_BYTES_MAX): SocketFactory => {
  const open = createSocketFactory()
  return (options) => {
    const socket = open(options)
    const frames = new ResponseFrames(bytesMax)
    const on = socket.on.bind(socket) as (event: string, listener: (...data: never[]) => void) => Socket
    socket.on = ((event: string, listener: (chunk: Buffer) => void) =>
      on(event, event === 'data' ? (chunk: Buffer) => pass(chunk, listener) : listener)) as typeof socket.on
    const pass = (chunk: Buffer, listener: (chunk: Buffer) => void): void => {
      if (socket.destroyed) return
      const bad = frames.follow(chunk)
      if (bad === undefined) {
        listener(chunk)
      } else {
        const message = `an answer of ${bad} bytes: this is no Kafka broker, or it wants TLS`
        socket.destroy(Object.assign(new Error(message), { code: 'ECONNABORTED' }))
      }
    }
    return socket
  }
}

/** Follows the answers on one connection: each begins with its length. */
export class ResponseFrames {
  readonly #bytesMax: number
  /** Of the present answer, what has yet to come. */
  #left = 0
  /** What has come of a length. */
  #head = Buffer.alloc(0)

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** The first length in the chunk that no answer has; undefined: there is none. */
  follow(chunk: Buffer): number | undefined {
    for (let at = 0; at < chunk.length;) {
      const passed = Math.min(this.#left, chunk.length - at)
      this.#left -= passed
      at += passed
      const part = chunk.subarray(at, at + LENGTH_BYTES - this.#head.length)
      if (part.length === 0) break
      at += part.length
      this.#head = Buffer.concat([this.#head, part])
      if (this.#head.length < LENGTH_BYTES) break
      const length = this.#head.readInt32BE(0)
      if (length < RESPONSE_BYTES_MIN || length > this.#bytesMax) return length
      this.#head = Buffer.alloc(0)
      this.#left = length
    }
    return undefined
  }
}
