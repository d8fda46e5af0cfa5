import { setTimeout as sleep } from 'node:timers/promises'
import {
  OffsetOutOfRangeError,
  RetriableError,
  type InputBatch,
  type OutputRecord,
  type PartitionOwner,
  type RestoreContext,
  type StagedBatch,
} from '@weir/kafka'
import type { Logger } from '@weir/service-kit'
import type { CommandLog } from './command-log.ts'
import { decodeCommand, decodeJob, encodeJson, type Command, type Job } from './job.ts'
import { jobRange, nextChunk, type Chunk, type ChunkOptions } from './job-chunk.ts'
import { Marks } from './marks.ts'

export interface ReplayOwnerOptions extends ChunkOptions {
  readonly commands: CommandLog
  readonly logger: Logger
}

/**
 * Runs jobs one chunk at a time:  create -> (tick -> tick -> ...) -> done;  cancel ends it at any point.
 * A chunk is one transaction: the letters it returns, their marks, the job's cursor and counts, and the next tick.
 * So a job that was killed at any moment goes on by itself, and returns no letter twice and leaves none out. A cancel is
 * looked for before each step, so a step that always fails can be cancelled.
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
    const [record] = records
    const command = decodeCommand(record?.value ?? null)
    if (record === undefined || command === undefined) return { outputs: [] }
    const { job, outputs } = (await this.#run(command, record.offset, signal)) ?? {}
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
    return this.#options.commands.close()
  }

  #apply(key: Buffer | null, value: Buffer | null): void {
    const job = decodeJob(value)
    if (job) this.#jobs.set(job.id, job)
    else this.#marks.restore(key, value)
  }

  async #run(command: Command, offset: bigint, signal: AbortSignal): Promise<Chunk | undefined> {
    const { commands } = this.#options
    if (command.kind === 'create') {
      const { job } = command
      // A request that was sent twice is one job.
      if (this.#jobs.has(job.id)) return undefined
      return (await commands.isCancelledAfter(offset, job.id)) ? cancelled(job) : this.#begin(job)
    }
    const job = this.#jobs.get(command.id)
    if (job?.state !== 'running') return undefined
    if (command.kind === 'cancel' || (await commands.isCancelledAfter(offset, job.id))) return cancelled(job)
    await this.#waitForTurn(job, signal)
    const chunk = await rereading(() => nextChunk(job, this.#marks, this.#options))
    this.#nextAt.set(job.id, performance.now() + (1_000 * chunk.handled) / job.ratePerSec)
    return chunk
  }

  async #begin(job: Job): Promise<Chunk> {
    const range = await jobRange(this.#options.letters, job.filter.stage)
    return { job: { ...job, ...range, state: 'running' }, outputs: [], handled: 0 }
  }

  async #waitForTurn({ id }: Job, signal: AbortSignal): Promise<void> {
    const waitMs = (this.#nextAt.get(id) ?? 0) - performance.now()
    if (waitMs > 0) await sleep(Math.min(waitMs, 2_000), undefined, { signal }).catch(() => undefined)
  }
}

const cancelled = (job: Job): Chunk => ({
  job: { ...job, state: 'cancelled', finishedAt: Date.now() },
  outputs: [],
  handled: 0,
})

/** Retention may delete letters between the look at the log and the read: the next attempt begins behind them. */
const rereading = async <T>(read: () => Promise<T>): Promise<T> => {
  try {
    return await read()
  } catch (error) {
    if (error instanceof OffsetOutOfRangeError) throw new RetriableError(error.message, { cause: error })
    throw error
  }
}
