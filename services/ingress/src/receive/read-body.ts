import type { Readable } from 'node:stream'
import { REQUEST_BYTES, type Share } from './arriving-bytes.ts'

/**
 * `full`: too many bytes are arriving at once. `scattered`: in so many pieces that they cost more than their bytes.
 * `late`: it takes longer than it may.
 */
export type BodyFault = 'too_large' | 'full' | 'scattered' | 'late'

const EMPTY = Buffer.alloc(0)
/**
 * A body may come in so many pieces, however small, and in one more for each so many bytes: clients that serialize JSON
 * while they send it make a chunk of each token. A piece takes about a microsecond.
 */
const PIECES_FREE = 16_384
const PIECE_BYTES = 16

/**
 * Reads the whole body and calls back once, with what is wrong or the body; never when the client goes away. Bounded for
 * one body and for all of its source that arrive together, and in time where `msMax` is given; else the server bounds that.
 */
export const readBody = (
  request: Readable,
  { bytesMax, msMax }: { readonly bytesMax: number; readonly msMax?: number | undefined },
  share: Share,
  done: (fault: BodyFault | null, body?: Buffer) => void,
): void => {
  if (!share.take(REQUEST_BYTES)) {
    done('full')
    return
  }
  const body = new GrowingBody()
  let isDone = false
  const finish = (): boolean => {
    if (isDone) return false
    isDone = true
    clearTimeout(timer)
    share.release(REQUEST_BYTES + body.length)
    return true
  }
  const fail = (kind: BodyFault): void => {
    if (finish()) done(kind)
  }
  const timer = msMax === undefined ? undefined : setTimeout(() => fail('late'), Math.max(0, msMax))
  request.on('data', (chunk: Buffer) => {
    if (isDone) return
    if (body.length + chunk.length > bytesMax) fail('too_large')
    else if (body.pieces >= PIECES_FREE + body.length / PIECE_BYTES) fail('scattered')
    else if (share.take(chunk.length)) body.add(chunk)
    else fail('full')
  })
  request.on('end', () => {
    if (finish()) done(null, body.whole())
  })
  request.on('close', finish)
  // Its `close` follows, and says the same.
  request.on('error', () => undefined)
}

/** One buffer from the second piece on: a list of small ones would take many times their bytes. */
export class GrowingBody {
  length = 0
  pieces = 0
  #buffer: Buffer = EMPTY

  add(piece: Buffer): void {
    const length = this.length + piece.length
    this.pieces += 1
    if (this.pieces === 1) this.#buffer = piece
    else {
      // Never into the first piece, which is Node's own.
      if (this.pieces === 2 || length > this.#buffer.length) {
        const larger = Buffer.allocUnsafeSlow(2 * length)
        this.#buffer.copy(larger, 0, 0, this.length)
        this.#buffer = larger
      }
      piece.copy(this.#buffer, this.length)
    }
    this.length = length
  }

  whole(): Buffer {
    return this.#buffer.subarray(0, this.length)
  }
}
