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
  let isDone = false
  const finish = (result: Buffer | BodyFailure): void => {
    if (isDone) return
    isDone = true
    arriving.release(bytes)
    done(result)
  }
  request.on('data', (chunk: Buffer) => {
    if (isDone) return
    if (bytes + chunk.length > bytesMax) {
      finish('too_large')
    } else if (arriving.take(chunk.length)) {
      bytes += chunk.length
      chunks.push(chunk)
    } else {
      finish('full')
    }
  })
  request.on('end', () =>
    finish(chunks.length === 1 ? chunks[0]! : chunks.length === 0 ? EMPTY : Buffer.concat(chunks)),
  )
  request.on('close', () => finish('gone'))
  // Its `close` follows, and says the same.
  request.on('error', () => undefined)
}
