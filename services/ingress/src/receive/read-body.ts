import type { Readable } from 'node:stream'
import { REQUEST_BYTES, type Share } from './arriving-bytes.ts'

/**
 * `full`: too many bytes are arriving at once. `scattered`: the body arrives in so many pieces that they cost more than
 * their bytes. `late`: it exceeds its time limit.
 */
export type BodyFault = 'too_large' | 'full' | 'scattered' | 'late'

const EMPTY = Buffer.alloc(0)
/**
 * A body may arrive in this many pieces of any size, and in one more for each this many bytes, because clients that
 * serialize JSON while they send it make a chunk of each token. A piece takes about a microsecond.
 */
const PIECES_FREE = 16_384
const PIECE_BYTES = 16

/**
 * Reads the whole body and calls back once with the problem or the body, and not at all if the client disconnects.
 * Limited for one body and for all arriving bodies of its source, and in time if `msMax` is given. Otherwise the server
 * limits the time.
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
  // `close` follows with the same meaning.
  request.on('error', () => undefined)
}

/** One buffer from the second piece on, because a list of small buffers would take many times their bytes. */
export class GrowingBody {
  length = 0
  pieces = 0
  #buffer: Buffer = EMPTY

  add(piece: Buffer): void {
    const length = this.length + piece.length
    this.pieces += 1
    if (this.pieces === 1) this.#buffer = piece
    else {
      // Never into the first piece, which belongs to Node.
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
