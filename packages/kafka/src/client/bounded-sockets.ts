import { createRequire } from 'node:module'
import type { Socket } from 'node:net'

const require = createRequire(import.meta.url)

type SocketFactory = (options: object) => Socket

const createSocketFactory = require('kafkajs/src/network/socketFactory') as () => SocketFactory

/**
 * Larger than any response of a broker, and equal to the default request limit of a broker
 * (`socket.request.max.bytes`).
 */
const RESPONSE_BYTES_MAX = 104_857_600
const LENGTH_BYTES = 4
/** Each response begins with the correlation id of its request. */
const RESPONSE_BYTES_MIN = 4

/**
 * Creates sockets for kafkajs that end when a response states an impossible length. kafkajs buffers input until the
 * stated length has arrived (an HTTP server's first bytes state a gigabyte), and a response of no bytes makes it throw
 * an uncaught error.
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
        const message = `a response states ${bad} bytes: this is not a Kafka broker, or it requires TLS`
        socket.destroy(Object.assign(new Error(message), { code: 'ECONNABORTED' }))
      }
    }
    return socket
  }
}

/** Follows the responses on one connection. Each begins with its length, int32. */
export class ResponseFrames {
  readonly #bytesMax: number
  /** Bytes of the current response that are still to come. */
  #left = 0
  /** The received part of an incomplete length field. */
  #head = Buffer.alloc(0)

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** The first impossible length in the chunk, if any. */
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
