import {
  OffsetOutOfRangeError,
  RetriableError,
  type InputBatch,
  type OutputRecord,
  type Task,
  type RestoreContext,
  type ProcessedBatch,
} from '@weir/kafka'
import type { Logger } from '@weir/runtime'
import { approvalOf, whyNotApproved, type Approvals } from './jobs/approvals.ts'
import type { CommandLog } from './jobs/command-log.ts'
import { decodeCommand, encodeJson, RATE_MIN, tickOf, type Command, type Job } from './jobs/job.ts'
import { countedRange, jobRange, nextChunk, type Chunk, type ChunkOptions } from './jobs/job-chunk.ts'
import { isEnded, jobKey, JobTable } from './jobs/job-table.ts'
import { Ticks, type TicksOptions } from './jobs/ticks.ts'

export interface ReplayTaskOptions extends ChunkOptions {
  readonly commands: CommandLog
  readonly approvals: Approvals
  /** Writes a command to the processor's own input. */
  readonly send: TicksOptions['send']
  readonly logger: Logger
}

/** A timer may fire this much too early. */
const EARLY_MS_MAX = 2
const EXPIRY_EVERY_MS = 3_600_000

/**
 * Runs jobs one chunk at a time: create -> (tick -> tick -> ...) -> done. A cancel ends a job at any point. A job that
 * needs an approval waits for it before its first tick. The task decides which jobs need one, whoever sent the command.
 * A chunk is one transaction: the returned letters, their marks, the job's cursor and counts, and the next tick. So a
 * killed job continues by itself, returns no letter twice and leaves none out. The task looks for a cancel before each
 * step, so that a step that always fails can be cancelled. A tick that comes too early is postponed and ends the
 * transaction, so that no job waits for the rate of another.
 */
export class ReplayTask implements Task {
  readonly #options: ReplayTaskOptions
  readonly #table = new JobTable()
  readonly #ticks: Ticks
  readonly #nextAt = new Map<string, number>()

  constructor(options: ReplayTaskOptions) {
    this.#options = options
    this.#ticks = new Ticks(options)
  }

  async restore({ state }: RestoreContext): Promise<ReadonlyMap<string, bigint | undefined>> {
    await state!.read(state!.logStartOffset, (records) => {
      for (const { key, value } of records) this.#table.apply(key, value)
    })
    for (const job of this.#table.all()) if (job.state === 'running') this.#ticks.plan(job, 0)
    this.#ticks.planExpiry(0)
    return new Map()
  }

  /** Handles one command: the processor passes batches of one record. */
  async process({ records }: InputBatch): Promise<ProcessedBatch> {
    const [record] = records
    const command = decodeCommand(record?.value ?? null)
    if (record === undefined || command === undefined) return { outputs: [] }
    if (command.kind === 'expire') return this.#expire()
    const { job, outputs = [] } = (await this.#run(command, record.offset)) ?? {}
    if (job === undefined) return { outputs: [] }
    const saved = this.#state(jobKey(job.id), encodeJson(job))
    const next = job.state === 'running' ? [this.#tick(job)] : []
    return {
      outputs: [...outputs, saved, ...next],
      committed: () => {
        this.#apply([...outputs, saved])
        if (isEnded(job)) this.#ended(job)
      },
    }
  }

  close(): Promise<void> {
    this.#ticks.close()
    return this.#options.commands.close()
  }

  #state(key: Buffer, value: Buffer | null): OutputRecord {
    return { topic: this.#options.topics.replayState, partition: 0, headers: {}, key, value }
  }

  #tick(job: Job): OutputRecord {
    const value = encodeJson(tickOf(job))
    return {
      topic: this.#options.topics.replayCommands,
      partition: 0,
      headers: {},
      key: Buffer.from(job.id),
      value,
    }
  }

  #apply(outputs: readonly OutputRecord[]): void {
    for (const { topic, key, value } of outputs) {
      if (topic === this.#options.topics.replayState) this.#table.apply(key, value)
    }
  }

  #ended({ id, kind, requestedBy, approval, filter, state, counts }: Job): void {
    this.#options.logger.info(
      { job: id, kind, requestedBy, approvedBy: approval?.by, stage: filter.stage, state, counts },
      'replay job',
    )
    this.#nextAt.delete(id)
    this.#ticks.drop(id)
  }

  /**
   * Ends jobs that were not approved in time. Deletes jobs that ended long ago from the topic, with the content of
   * their fix-ups.
   */
  #expire(): ProcessedBatch {
    const now = Date.now()
    const overdueJobs = this.#table.overdue(now).map((job) => cancelled(job).job)
    const outputs = [
      ...overdueJobs.map((job) => this.#state(jobKey(job.id), encodeJson(job))),
      ...this.#table.expired(now).map((id) => this.#state(jobKey(id), null)),
    ]
    return {
      outputs,
      committed: () => {
        this.#apply(outputs)
        for (const job of overdueJobs) this.#ended(job)
        this.#ticks.planExpiry(Math.min(EXPIRY_EVERY_MS, Math.max(0, this.#table.nextOverdueAt() - now)))
      },
    }
  }

  async #run(command: Exclude<Command, { kind: 'expire' }>, offset: bigint): Promise<Chunk | undefined> {
    const { commands } = this.#options
    if ('job' in command) {
      const { job } = command
      // A repeated request makes one job.
      if (this.#table.get(job.id) !== undefined) return undefined
      return (await commands.isCancelledAfter(offset, job.id)) ? cancelled(job) : this.#begin(command)
    }
    const job = this.#table.get(command.id)
    if (job === undefined || isEnded(job)) return undefined
    if (command.kind === 'cancel' || (await commands.isCancelledAfter(offset, job.id))) return cancelled(job)
    if (command.kind === 'approve') return approved(job, command)
    if (job.state !== 'running' || (command.step ?? 0) !== (job.step ?? 0)) return undefined
    const waitMs = (this.#nextAt.get(job.id) ?? 0) - performance.now()
    if (waitMs > EARLY_MS_MAX) {
      this.#ticks.plan(job, waitMs)
      return undefined
    }
    const chunk = await rereading(() => nextChunk(job, this.#table.marks, this.#options))
    // A job of an older version may have any rate, and a timer that exceeds its limit would fire at once.
    const ratePerSec = Math.max(RATE_MIN, job.ratePerSec)
    this.#nextAt.set(job.id, performance.now() + (1_000 * chunk.handled) / ratePerSec)
    return chunk
  }

  async #begin({ kind, job: asked }: Extract<Command, { job: Job }>): Promise<Chunk> {
    const now = await jobRange(this.#options.letters, asked.filter.stage)
    const isCounted = kind === 'propose'
    const range = isCounted ? countedRange(now, asked.end) : now
    const job = { ...asked, ...range, letters: isCounted ? asked.letters : undefined }
    const approval = approvalOf(job, this.#options.approvals)
    const state = approval === undefined ? 'running' : 'waiting'
    return { job: { ...job, approval, state }, outputs: [], handled: 0 }
  }
}

const approved = (
  job: Job,
  { by, requestedAt = job.requestedAt }: Extract<Command, { kind: 'approve' }>,
): Chunk | undefined => {
  const at = Date.now()
  if (requestedAt !== job.requestedAt || whyNotApproved(job, by, at) !== undefined) return undefined
  const approval = { ...job.approval!, by, at }
  return { job: { ...job, state: 'running', approval }, outputs: [], handled: 0 }
}

const cancelled = (job: Job): Chunk => ({
  job: { ...job, state: 'cancelled', finishedAt: Date.now() },
  outputs: [],
  handled: 0,
})

/** Retention may delete letters before they are read. Then the next attempt begins after them. */
const rereading = async <T>(read: () => Promise<T>): Promise<T> => {
  try {
    return await read()
  } catch (error) {
    if (error instanceof OffsetOutOfRangeError) throw new RetriableError(error.message, { cause: error })
    throw error
  }
}
