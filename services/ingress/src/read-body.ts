import type { Readable } from 'node:stream'

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

/** `full`: too many bytes are arriving at once. `late`: it takes longer than it may. */
export type BodyFault = 'too_large' | 'full' | 'late'

const EMPTY = Buffer.alloc(0)

/**
 * Reads the whole body and calls back once, with what is wrong or the body; never when the client goes away. Bounded for
 * one body and for all that arrive together, and in time where `msMax` is given; else the server bounds that.
 */
export const readBody = (
  request: Readable,
  { bytesMax, msMax }: { readonly bytesMax: number; readonly msMax?: number | undefined },
  arriving: ArrivingBytes,
  done: (fault: BodyFault | null, body?: Buffer) => void,
): void => {
  const chunks: Buffer[] = []
  let bytes = 0
  let isDone = false
  const finish = (): boolean => {
    if (isDone) return false
    isDone = true
    clearTimeout(timer)
    arriving.release(bytes)
    return true
  }
  const fail = (kind: BodyFault): void => {
    if (finish()) done(kind)
  }
  const timer = msMax === undefined ? undefined : setTimeout(() => fail('late'), Math.max(0, msMax))
  request.on('data', (chunk: Buffer) => {
    if (isDone) return
    if (bytes + chunk.length > bytesMax) {
      fail('too_large')
    } else if (arriving.take(chunk.length)) {
      bytes += chunk.length
      chunks.push(chunk)
    } else {
      fail('full')
    }
  })
  request.on('end', () => {
    if (!finish()) return
    done(null, chunks.length === 1 ? chunks[0]! : chunks.length === 0 ? EMPTY : Buffer.concat(chunks))
  })
  request.on('close', finish)
  // Its `close` follows, and says the same.
  request.on('error', () => undefined)
}
