import { setTimeout as sleep } from 'node:timers/promises'
import {
  RetriableError,
  type InputBatch,
  type OutputRecord,
  type PartitionOwner,
  type RestoreContext,
  type StagedBatch,
} from '@weir/kafka'
import type { Logger } from '@weir/service-kit'
import { decodeCommand, decodeJob, encodeJson, type Command, type Job, type JobCounts } from './job.ts'
import { matches, readLetter } from './letter.ts'
import type { LetterReader } from './letters.ts'
import { Marks } from './marks.ts'
import { returnLetter, type ReturnOptions } from './return-letter.ts'

export interface ReplayOwnerOptions extends ReturnOptions {
  readonly letters: LetterReader
  readonly logger: Logger
}

/** Most letters that one transaction returns, and most that it looks at. */
const CHUNK_LETTERS = 500
const CHUNK_SCANNED = 5_000
const CHUNK_BYTES = 4_194_304
/** Slow jobs return a few letters at a time, at most so long apart. */
const SLICE_MS = 500

interface Chunk {
  readonly job: Job
  readonly outputs: readonly OutputRecord[]
}

/**
 * Runs jobs one chunk at a time:  create -> (tick -> tick -> ...) -> done;  cancel ends it at any point.
 * A chunk is one transaction: the letters it returns, their marks, the job's cursor and counts, and the next tick.
 * So a job that was killed at any moment goes on by itself, and returns no letter twice and leaves none out.
 */
export class ReplayOwner implements PartitionOwner {
  readonly #options: ReplayOwnerOptions
  readonly #marks = new Marks()
  readonly #jobs = new Map<string, Job>()
  readonly #nextAt = new Map<string, number>()

  constructor(options: ReplayOwnerOptions) {
    this.#options = options
  }

  async restore({ state }: RestoreContext): Promise<ReadonlyMap<string, bigint | undefined>> {
    await state!.read(state!.logStartOffset, (records) => {
      for (const { key, value } of records) this.#apply(key, value)
    })
    return new Map()
  }

  /** One command each: the stage is given batches of one record. */
  async stage({ records, signal }: InputBatch): Promise<StagedBatch> {
    const command = decodeCommand(records[0]?.value ?? null)
    const { job, outputs } = (await this.#run(command, signal)) ?? {}
    if (job === undefined) return { outputs: [] }
    const { topics, logger } = this.#options
    const state = { topic: topics.replayState, partition: 0, headers: {} }
    const saved = { ...state, key: Buffer.from(`job|${job.id}`), value: encodeJson(job) }
    const next: OutputRecord[] =
      job.state === 'running'
        ? [
            {
              topic: topics.replayCommands,
              partition: 0,
              headers: {},
              key: Buffer.from(job.id),
              value: encodeJson({ kind: 'tick', id: job.id }),
            },
          ]
        : []
    return {
      outputs: [...(outputs ?? []), saved, ...next],
      committed: () => {
        for (const { topic, key, value } of [...(outputs ?? []), saved]) {
          if (topic === topics.replayState) this.#apply(key, value)
        }
        const { id, kind, requestedBy, filter, counts } = job
        if (job.state !== 'running') {
          logger.info(
            { job: id, kind, requestedBy, stage: filter.stage, state: job.state, counts },
            'replay job',
          )
          this.#nextAt.delete(id)
        }
      },
    }
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  #apply(key: Buffer | null, value: Buffer | null): void {
    const job = decodeJob(value)
    if (job) this.#jobs.set(job.id, job)
    else this.#marks.restore(key, value)
  }

  async #run(command: Command | undefined, signal: AbortSignal): Promise<Chunk | undefined> {
    if (command === undefined) return undefined
    if (command.kind === 'create') {
      // A request that was sent twice is one job.
      return this.#jobs.has(command.job.id) ? undefined : this.#begin(command.job)
    }
    const job = this.#jobs.get(command.id)
    if (job?.state !== 'running') return undefined
    if (command.kind === 'cancel')
      return { job: { ...job, state: 'cancelled', finishedAt: Date.now() }, outputs: [] }
    await this.#waitForTurn(job, signal)
    return this.#reading(() => this.#chunk(job))
  }

  /** What is there now is the job's whole work: what comes later is another's. */
  async #begin(job: Job): Promise<Chunk> {
    const offsets = await this.#reading(() => this.#options.letters.offsets(job.filter.stage))
    const entries = (which: 'start' | 'end') =>
      Object.fromEntries([...offsets].map(([partition, range]) => [String(partition), String(range[which])]))
    return { job: { ...job, state: 'running', cursor: entries('start'), end: entries('end') }, outputs: [] }
  }

  async #waitForTurn({ id }: Job, signal: AbortSignal): Promise<void> {
    const waitMs = (this.#nextAt.get(id) ?? 0) - performance.now()
    if (waitMs > 0) await sleep(Math.min(waitMs, 2_000), undefined, { signal }).catch(() => undefined)
  }

  async #chunk(job: Job): Promise<Chunk> {
    const { letters, topics } = this.#options
    const { stage } = job.filter
    const limit = Math.max(1, Math.min(CHUNK_LETTERS, Math.floor((job.ratePerSec * SLICE_MS) / 1_000)))
    const cursor = { ...job.cursor }
    const outputs: OutputRecord[] = []
    const handled: { partition: number; offset: bigint }[] = []
    const counts: { -readonly [K in keyof JobCounts]: number } = { ...job.counts }
    const partition = Object.keys(cursor).find((one) => BigInt(cursor[one]!) < BigInt(job.end[one]!))
    if (partition === undefined) return { job: { ...job, state: 'done', finishedAt: Date.now() }, outputs }
    let scanned = 0
    let bytes = 0
    const range = {
      partition: Number(partition),
      from: BigInt(cursor[partition]!),
      end: BigInt(job.end[partition]!),
    }
    const next = await letters.read(stage, range, async (record) => {
      scanned += 1
      const status = this.#marks.statusOf(stage, record.partition, record.offset)
      const letter = readLetter(stage, record, status)
      if (matches(letter, job.filter)) {
        counts.matched += 1
        if (job.kind === 'replay' && letter.replayCount >= job.replaysMax) counts.guarded += 1
        else {
          const output = job.kind === 'replay' ? await returnLetter(letter, job, this.#options) : undefined
          if (job.kind === 'replay' && output === undefined) counts.unusable += 1
          else {
            if (output) outputs.push(copyOf(output))
            bytes += output?.value?.length ?? 0
            counts.done += 1
            handled.push({ partition: record.partition, offset: record.offset })
          }
        }
      }
      return handled.length < limit && scanned < CHUNK_SCANNED && bytes < CHUNK_BYTES
    })
    counts.scanned += scanned
    cursor[partition] = String(next)
    this.#nextAt.set(job.id, performance.now() + (1_000 * handled.length) / job.ratePerSec)
    const marks = this.#marks.records(stage, handled, job.kind === 'replay' ? 'replayed' : 'discarded')
    const state = { topic: topics.replayState, partition: 0, headers: {} }
    return {
      job: { ...job, cursor, counts },
      outputs: [...outputs, ...marks.map((one) => ({ ...state, ...one }))],
    }
  }

  /** Whatever keeps the letters from being read passes: the job waits. */
  async #reading<T>(read: () => Promise<T>): Promise<T> {
    try {
      return await read()
    } catch (error) {
      throw new RetriableError('the dead letters cannot be read', { cause: error })
    }
  }
}

/** What was fetched is a view of a large response. */
const copyOf = (output: OutputRecord): OutputRecord => ({
  ...output,
  value: output.value && Buffer.from(output.value),
})
