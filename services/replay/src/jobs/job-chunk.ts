import type { OutputRecord } from '@weir/kafka'
import { letterPlace, type DeadLetterStage } from '@weir/contracts'
import {
  NO_COUNTS,
  RATE_MAX,
  STAYING_MAX,
  type Job,
  type JobCounts,
  type JobRequest,
  type LetterFilter,
  type StayingLetter,
} from './job.ts'
import { matches, readLetter, type Letter } from '../letters/letter.ts'
import type { LetterReader } from '../letters/letters.ts'
import type { Marks } from './marks.ts'
import { returnLetter, type ReturnOptions } from '../letters/return-letter.ts'

/**
 * Limits of one transaction: records that it reads, and bytes of matching letters, because edits and returns cost time.
 */
const CHUNK_SCANNED = 5_000
const CHUNK_BYTES = 4_194_304
/** Slow jobs return a few letters at a time, at least this often. */
const SLICE_MS = 500

export interface Chunk {
  /** The state of the job after the chunk. */
  readonly job: Job
  /** The returning letters, and the marks of every handled letter. */
  readonly outputs: readonly OutputRecord[]
  /** Number of letters that were returned or discarded. */
  readonly handled: number
}

export interface ChunkOptions extends ReturnOptions {
  readonly letters: LetterReader
  /** Most letters that one transaction returns. */
  readonly chunkLettersMax: number
}

/** Plans the next step of a running job: a limited number of letters of one partition. Changes nothing. */
export const nextChunk = async (job: Job, marks: Marks, options: ChunkOptions): Promise<Chunk> => {
  const partition = Object.keys(job.cursor).find((one) => BigInt(job.cursor[one]!) < BigInt(job.end[one]!))
  if (partition === undefined) {
    return { job: { ...job, state: 'done', finishedAt: Date.now() }, outputs: [], handled: 0 }
  }
  const { stage } = job.filter
  const draft = new ChunkDraft(job, options)
  const range = {
    partition: Number(partition),
    from: BigInt(job.cursor[partition]!),
    end: BigInt(job.end[partition]!),
  }
  const next = await options.letters.read(stage, range, async (record) => {
    const status = marks.statusOf(stage, record.partition, record.offset)
    await draft.add(readLetter(stage, record, status))
    return !draft.isFull
  })
  const { outputs, handled, counts, stays } = draft
  const state = { topic: options.topics.replayState, partition: 0, headers: {} }
  const status = job.kind === 'replay' ? 'replayed' : 'discarded'
  const marked = marks.records(stage, handled, status).map((one) => ({ ...state, ...one }))
  return {
    job: {
      ...job,
      step: (job.step ?? 0) + 1,
      cursor: { ...job.cursor, [partition]: String(next) },
      counts,
      stays,
    },
    outputs: [...outputs, ...marked],
    handled: handled.length,
  }
}

/**
 * Rehearses a job, including its fix-up, with the letters before the last stable offset: its counts, and why letters
 * would stay. Changes nothing. Rejects with a `RetriableError` while the registry is unavailable.
 */
export const rehearse = async (
  request: JobRequest,
  marks: Marks,
  options: ChunkOptions,
): Promise<Pick<Job, 'counts' | 'stays'>> => {
  const entries = await jobRange(options.letters, request.filter.stage)
  let job: Job = {
    ...request,
    ...entries,
    ratePerSec: RATE_MAX,
    id: 'rehearsal',
    state: 'running',
    counts: NO_COUNTS,
    requestedBy: '',
    requestedAt: 0,
    finishedAt: null,
  }
  while (job.state === 'running') ({ job } = await nextChunk(job, marks, options))
  return { counts: job.counts, stays: job.stays ?? [] }
}

type JobRange = Pick<Job, 'cursor' | 'end'>

/** A job takes the letters before the last stable offset at its start. It does not take later letters. */
export const jobRange = async (letters: LetterReader, stage: DeadLetterStage): Promise<JobRange> => {
  const offsets = [...(await letters.offsets(stage))]
  const entries = (which: 'start' | 'end') =>
    Object.fromEntries(offsets.map(([partition, range]) => [String(partition), String(range[which])]))
  return { cursor: entries('start'), end: entries('end') }
}

/** Limits a range to the counted part. The job does not take later letters. */
export const countedRange = ({ cursor, end }: JobRange, counted: JobRange['end']): JobRange => ({
  cursor,
  end: Object.fromEntries(
    Object.entries(end).map(([partition, now]) => {
      const then = counted[partition] ?? cursor[partition]!
      return [partition, BigInt(then) < BigInt(now) ? then : now]
    }),
  ),
})

/**
 * The most letters that a job with this filter can take before the last stable offset, and that offset. The number of
 * pending letters only falls. Letters with other statuses may increase before the job runs, so all are counted.
 */
export const countLetters = async (
  letters: LetterReader,
  marks: Marks,
  filter: LetterFilter,
): Promise<Required<Pick<Job, 'letters' | 'end'>>> => {
  const { stage, status } = filter
  const { cursor, end } = await jobRange(letters, stage)
  const most: LetterFilter = status === 'pending_inspection' ? filter : { ...filter, status: 'any' }
  let count = 0
  for (const [partition, last] of Object.entries(end)) {
    const range = { partition: Number(partition), from: BigInt(cursor[partition]!), end: BigInt(last) }
    await letters.read(stage, range, (record) => {
      const letter = readLetter(stage, record, marks.statusOf(stage, record.partition, record.offset))
      if (matches(letter, most)) count += 1
      return true
    })
  }
  return { letters: count, end }
}

class ChunkDraft {
  readonly outputs: OutputRecord[] = []
  readonly handled: Letter[] = []
  readonly counts: { -readonly [K in keyof JobCounts]: number }
  readonly stays: StayingLetter[]
  readonly #job: Job
  readonly #options: ChunkOptions
  readonly #lettersMax: number
  #scanned = 0
  #bytes = 0
  /** Bytes that fix-ups have added. */
  #grown = 0

  constructor(job: Job, options: ChunkOptions) {
    this.#job = job
    this.#options = options
    const inSlice = Math.floor((job.ratePerSec * SLICE_MS) / 1_000)
    this.#lettersMax = Math.max(1, Math.min(options.chunkLettersMax, inSlice))
    this.counts = { ...job.counts }
    this.stays = [...(job.stays ?? [])]
  }

  get isFull(): boolean {
    return (
      this.handled.length >= this.#lettersMax ||
      this.#scanned >= CHUNK_SCANNED ||
      this.#bytes + this.#grown >= CHUNK_BYTES
    )
  }

  async add(letter: Letter): Promise<void> {
    const job = this.#job
    this.#scanned += 1
    this.counts.scanned += 1
    if (!matches(letter, job.filter)) return
    this.counts.matched += 1
    this.#bytes += letter.record.value?.length ?? 0
    if (job.kind === 'replay') {
      if (letter.replayCount >= job.replaysMax) {
        this.counts.guarded += 1
        return
      }
      const returned = await returnLetter(letter, job, this.#options)
      if (returned.kind === 'stays') {
        this.counts.unusable += 1
        if (this.stays.length < STAYING_MAX)
          this.stays.push({ letter: letterPlace(letter), why: returned.why })
        return
      }
      this.outputs.push(copyOf(returned.output))
      this.#grown += Math.max(0, (returned.output.value?.length ?? 0) - (letter.record.value?.length ?? 0))
    }
    this.counts.done += 1
    this.handled.push(letter)
  }
}

/** Copies a fetched record, which is a view of a large response. */
const copyOf = (output: OutputRecord): OutputRecord => ({
  ...output,
  value: output.value && Buffer.from(output.value),
})
