import type { FastifyReply } from 'fastify'
import type { LetterFilter } from '../jobs/job.ts'
import { matches, readLetter, type Letter } from '../letters/letter.ts'
import type { LetterPlace, LetterReader } from '../letters/letters.ts'
import type { StateView } from '../jobs/state-view.ts'

/** Each scan holds one response of the brokers, 4 MiB. */
const SCANS_MAX = 8
const SCANS_OF_ONE_MAX = 4
const RETRY_AFTER_SECS = '5'

export class TooManyScansError extends Error {
  readonly statusCode = 429
  readonly headers = { 'retry-after': RETRY_AFTER_SECS }
}

/** Limits how many requests read whole topics at the same time, in total and for each token. */
export class ScanLimit {
  readonly #running: string[] = []

  /** Begins a scan and returns the function that ends it. Throws a `TooManyScansError`. */
  begin(holder: string): () => void {
    const own = this.#running.filter((one) => one === holder).length
    if (this.#running.length >= SCANS_MAX || own >= SCANS_OF_ONE_MAX) {
      throw new TooManyScansError('Too many lists, counts and exports at the same time: try again')
    }
    this.#running.push(holder)
    return () => void this.#running.splice(this.#running.indexOf(holder), 1)
  }
}

export interface Walk {
  readonly letters: LetterReader
  readonly state: StateView
  readonly filter: LetterFilter
  readonly after?: LetterPlace | undefined
  /** Most records to read; default: all. */
  readonly scannedMax?: number
  readonly signal?: AbortSignal
}

/**
 * Passes each matching letter to `onLetter` until it returns false. Resolves to the place of the last record that was
 * read; undefined: there are no more records.
 */
export const walkLetters = async (
  { letters, state, filter, after, scannedMax = Infinity, signal }: Walk,
  onLetter: (letter: Letter) => boolean | Promise<boolean>,
): Promise<LetterPlace | undefined> => {
  await state.refresh()
  const { stage } = filter
  const walked = { scanned: 0, stoppedAt: undefined as LetterPlace | undefined }
  const visit = async (record: Letter['record']): Promise<boolean> => {
    const { partition, offset } = record
    const letter = readLetter(stage, record, state.marks.statusOf(stage, partition, offset))
    walked.scanned += 1
    const isWanted = matches(letter, filter) ? await onLetter(letter) : true
    const goesOn = isWanted && walked.scanned < scannedMax && !signal?.aborted
    if (!goesOn) walked.stoppedAt = { partition, offset }
    return goesOn
  }
  await letters.readAll(stage, visit, after)
  return walked.stoppedAt
}

/** A signal that aborts when the client disconnects. */
export const clientSignal = (reply: FastifyReply): AbortSignal => {
  const gone = new AbortController()
  reply.raw.once('close', () => gone.abort())
  return gone.signal
}
