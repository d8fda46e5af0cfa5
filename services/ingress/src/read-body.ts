import type { IncomingMessage } from 'node:http'

/** Bytes of all bodies that have not wholly arrived, and their bound. */
export class ArrivingBytes {
  readonly #max: number
  #held = 0

  constructor(max: number) {
    this.#max = max
  }

  get held(): number {
    return this.#held
  }

  /** False: there is no room, and nothing was taken. */
  take(bytes: number): boolean {
    if (this.#held + bytes > this.#max) return false
    this.#held += bytes
    return true
  }

  release(bytes: number): void {
    this.#held -= bytes
  }
}

/** `full`: too many bytes are arriving at once. `gone`: the client went away. */
export type BodyFailure = 'too_large' | 'full' | 'gone'

const EMPTY = Buffer.alloc(0)

/** Reads the whole body; calls back once. Bounded for one body and for all that arrive together; time is the server's to bound. */
export const readBody = (
  request: IncomingMessage,
  bytesMax: number,
  arriving: ArrivingBytes,
  done: (body: Buffer | BodyFailure) => void,
): void => {
  const chunks: Buffer[] = []
  let bytes = 0
  const finish = (result: Buffer | BodyFailure): void => {
    arriving.release(bytes)
    request.off('data', onData).off('end', onEnd).off('close', onClose)
    done(result)
  }
  const onData = (chunk: Buffer): void => {
    if (bytes + chunk.length > bytesMax) {
      finish('too_large')
      return
    }
    if (!arriving.take(chunk.length)) {
      finish('full')
      return
    }
    bytes += chunk.length
    chunks.push(chunk)
  }
  const onEnd = (): void =>
    finish(chunks.length === 1 ? chunks[0]! : chunks.length === 0 ? EMPTY : Buffer.concat(chunks))
  const onClose = (): void => finish('gone')
  // Its `close` follows, and says the same.
  request.on('error', () => undefined)
  request.on('data', onData).on('end', onEnd).on('close', onClose)
}
