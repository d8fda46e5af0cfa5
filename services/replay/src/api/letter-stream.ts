import { PassThrough, type Readable } from 'node:stream'
import type { Letter } from '../letters/letter.ts'

const BUFFER_BYTES = 1_048_576
/** The stream is destroyed if the client reads nothing for this time. */
const STALL_MS_MAX = 60_000

/**
 * Streams a line for each letter at the speed of the client. Only the last response of the brokers is held in memory.
 * An error destroys the stream, so that a truncated export never looks complete. `end` may throw before the end is
 * sent.
 */
export const letterStream = (
  walk: (onLetter: (letter: Letter) => Promise<boolean>) => Promise<unknown>,
  toLine: (letter: Letter) => string,
  end: (count: number) => Promise<void> = () => Promise.resolve(),
): Readable => {
  const stream = new PassThrough({ highWaterMark: BUFFER_BYTES })
  const run = async (): Promise<void> => {
    let count = 0
    await walk(async (letter) => {
      if (stream.destroyed) return false
      count += 1
      if (!stream.write(toLine(letter))) await drained(stream)
      return !stream.destroyed
    })
    await end(count)
    stream.end()
  }
  run().catch((error: unknown) => stream.destroy(error as Error))
  return stream
}

/** Resolves when the stream has room again or is destroyed. */
const drained = async (stream: PassThrough): Promise<void> => {
  const room = Promise.withResolvers<undefined>()
  const timer = setTimeout(
    () => stream.destroy(new Error('the client does not read the response')),
    STALL_MS_MAX,
  )
  const done = (): void => room.resolve(undefined)
  stream.once('drain', done).once('close', done)
  await room.promise
  clearTimeout(timer)
  stream.off('drain', done).off('close', done)
}
