import { PassThrough, type Readable } from 'node:stream'
import type { Letter } from '../letters/letter.ts'

const BUFFER_BYTES = 1_048_576
/** A reader that takes nothing for so long is given up. */
const STALL_MS_MAX = 60_000

/**
 * A line for each letter, as fast as they are read from it: beside the brokers' last answer nothing is held. An error
 * destroys the stream, so that what was cut never looks complete. `end` may add an error of its own before the end is told.
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

/** Resolves when there is room again, or the stream is destroyed. */
const drained = async (stream: PassThrough): Promise<void> => {
  const room = Promise.withResolvers<undefined>()
  const timer = setTimeout(() => stream.destroy(new Error('the reader takes nothing')), STALL_MS_MAX)
  const done = (): void => room.resolve(undefined)
  stream.once('drain', done).once('close', done)
  await room.promise
  clearTimeout(timer)
  stream.off('drain', done).off('close', done)
}
