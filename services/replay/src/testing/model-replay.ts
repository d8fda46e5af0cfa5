import {
  encodeDeadLetter,
  encodeReceivedWebhook,
  entityKeyOf,
  eventKeyOf,
  HEADER,
  topicNames,
  type DeadLetterReason,
  type WireRecord,
} from '@weir/contracts'
import type { EventReader } from '@weir/event-codec'
import type { OutputRecord, RestoreContext } from '@weir/kafka'
import { createLogger } from '@weir/runtime'
import { expect } from 'vitest'
import { approvalOf, NO_APPROVALS, type Approvals } from '../jobs/approvals.ts'
import { CommandLog } from '../jobs/command-log.ts'
import { decodeCommand, decodeJob, encodeJson, type Command, type Job } from '../jobs/job.ts'
import { countLetters } from '../jobs/job-chunk.ts'
import { JobTable } from '../jobs/job-table.ts'
import { LetterReader } from '../letters/letters.ts'
import type { Marks } from '../jobs/marks.ts'
import { ReplayTask } from '../replay-task.ts'
import { ModelTopic } from './model-topic.ts'

export const PARTITIONS = 2
export const PARTITION_NUMBERS = [0, 1]
const topics = topicNames('')
export const REASONS = ['unmappable', 'schema_violation'] as const satisfies readonly DeadLetterReason[]

const letterOf = (id: string, reason: DeadLetterReason): WireRecord => {
  const webhook = encodeReceivedWebhook({
    source: 'nice',
    interactionId: id,
    entityKey: entityKeyOf('nice', id),
    dedupKey: id,
    eventKey: eventKeyOf('nice', id),
    bodyHash: Buffer.alloc(8),
    receivedAt: 5,
    eventType: 'type',
    raw: Buffer.from('{"a":1}'),
  })
  const origin = { ...webhook, topic: topics.unique, partition: 0, offset: 0n }
  return encodeDeadLetter({ origin, reason, step: 'step', error: 'planted', failedAt: 1_000 })
}

/** The service on model topics. Its processor commits outputs and position together or not at all. */
export class ModelReplay {
  readonly letters = new ModelTopic(topics.normalizerDlq, PARTITIONS)
  readonly commands = new ModelTopic(topics.replayCommands, 1)
  readonly returned: { readonly id: string; readonly job: string }[] = []
  readonly jobs = new Map<string, Job>()
  /** Letters before the last stable offset when a job began: ids by job. */
  readonly #due = new Map<string, readonly string[]>()
  readonly #state: WireRecord[] = []
  #position = 0n
  #task: ReplayTask | undefined
  #count = 0
  readonly #approvals: Approvals
  readonly #reader = new LetterReader(topics, () => Promise.resolve(this.letters.reader))

  constructor(approvals = NO_APPROVALS) {
    this.#approvals = approvals
  }

  write(partition: number, reasons: readonly DeadLetterReason[], outcome: 'open' | 'aborted' | 'committed') {
    this.letters.end(partition, 'committed')
    const letters = reasons.map((reason) => letterOf(`letter-${this.#count++}`, reason))
    this.letters.append(partition, letters, 'open')
    if (outcome !== 'open') this.letters.end(partition, outcome)
  }

  ask(command: Command): void {
    const id = 'job' in command ? command.job.id : 'id' in command ? command.id : ''
    const record = { key: Buffer.from(id), value: encodeJson(command), headers: {} }
    this.commands.append(0, [record], 'committed')
  }

  /** Requests a job like an instance with approvals set. */
  async propose(job: Job, approvals = this.#approvals): Promise<void> {
    const counted = { ...job, ...(await countLetters(this.#reader, this.#marks(), job.filter)) }
    this.#due.set(job.id, this.#dueNow())
    this.ask({ kind: 'propose', job: { ...counted, approval: approvalOf(counted, approvals) } })
  }

  /** Handles one command; false if there is none. `fate` decides what happens to the process. */
  async work(fate: 'lives' | 'killed before the commit' | 'killed after the commit'): Promise<boolean> {
    const record = this.commands.readable(0).find(({ offset }) => offset >= this.#position)
    if (record === undefined) return false
    this.#task ??= await this.#open()
    const nextOffset = record.offset + 1n
    const cancelled = this.#cancelledAt(record.offset)
    const dueNow = this.#dueNow()
    const { outputs, committed } = await this.#task.process({
      topic: topics.replayCommands,
      partition: 0,
      records: [record],
      nextOffset,
      signal: new AbortController().signal,
      ownershipIsFresh: () => true,
    })
    if (fate === 'killed before the commit') {
      await this.kill()
      return true
    }
    this.#commit(outputs, nextOffset, { cancelled, dueNow })
    await committed?.(new Map())
    if (fate === 'killed after the commit') await this.kill()
    return true
  }

  /** Ends the process and its timers. */
  async kill(): Promise<void> {
    await this.#task?.close()
    this.#task = undefined
  }

  /** The letters that a job which begins now must handle. */
  #dueNow(): readonly string[] {
    return PARTITION_NUMBERS.flatMap((partition) =>
      this.letters
        .readable(partition)
        .filter(({ offset }) => offset < this.letters.stableEndOf(partition))
        .map((one) => one.headers[HEADER.interactionId]!.toString()),
    )
  }

  #cancelledAt(offset: bigint): ReadonlySet<string> {
    const ahead = this.commands.readable(0).filter((one) => one.offset > offset)
    const commands = ahead.map(({ value }) => decodeCommand(value))
    return new Set(commands.flatMap((command) => (command?.kind === 'cancel' ? [command.id] : [])))
  }

  #commit(
    outputs: readonly OutputRecord[],
    nextOffset: bigint,
    seen: { readonly cancelled: ReadonlySet<string>; readonly dueNow: readonly string[] },
  ): void {
    this.#position = nextOffset
    for (const { topic, key, value, headers } of outputs) {
      if (topic === topics.replayState) this.#state.push({ key, value, headers })
      if (topic === topics.replayCommands) this.commands.append(0, [{ key, value, headers }], 'committed')
      if (topic === topics.normalizerReplay) {
        const job = headers[HEADER.replayId]!.toString()
        // The cancel was written before the step began.
        expect(seen.cancelled).not.toContain(job)
        this.returned.push({ id: headers[HEADER.interactionId]!.toString(), job })
      }
      const job = topic === topics.replayState ? decodeJob(value) : undefined
      if (job === undefined) continue
      if (!this.#due.has(job.id)) this.#due.set(job.id, seen.dueNow)
      this.jobs.set(job.id, job)
      if (job.state === 'done') this.#expectAllOf(job)
    }
  }

  /** Asserts that an ended job returned every letter that matched at its start, and no other. */
  #expectAllOf({ id, filter }: Job): void {
    const due = this.#due.get(id)!
    const fitting = this.all().filter(({ reason }) => filter.reason === undefined || filter.reason === reason)
    const returned = this.returned.map((one) => one.id)
    const marks = this.#marks()
    for (const one of fitting) {
      if (!one.isKept || !due.includes(one.id) || filter.status === 'replayed') continue
      const status = marks.statusOf('normalizer', one.partition, one.offset)
      if (status !== 'discarded') expect(returned).toContain(one.id)
    }
    const own = this.returned.filter(({ job }) => job === id).map((one) => one.id)
    const allowed = fitting.map((one) => one.id).filter((one) => due.includes(one))
    for (const one of own) expect(allowed).toContain(one)
  }

  /** All letters that were committed. */
  all() {
    return PARTITION_NUMBERS.flatMap((partition) =>
      this.letters
        .readable(partition)
        .map(({ offset, headers }) => ({
          partition,
          offset,
          id: headers[HEADER.interactionId]!.toString(),
          isKept: offset >= this.letters.startOf(partition),
          reason: headers[HEADER.dlqReason]!.toString(),
        })),
    )
  }

  /** The committed records. */
  #marks(): Marks {
    const table = new JobTable()
    for (const { key, value } of this.#state) table.apply(key, value)
    return table.marks
  }

  async #open(): Promise<ReplayTask> {
    const task = new ReplayTask({
      topics,
      partitions: PARTITIONS,
      keys: undefined,
      bodyHashKey: 'key',
      sources: [],
      events: undefined as unknown as EventReader,
      logger: createLogger('test', 'silent'),
      letters: this.#reader,
      approvals: this.#approvals,
      commands: new CommandLog(() => Promise.resolve(this.commands.reader)),
      chunkLettersMax: 2,
      send: (command) => {
        this.ask(command)
        return Promise.resolve()
      },
    })

    const records = this.#state.map((one, i) => ({
      ...one,
      topic: topics.replayState,
      partition: 0,
      offset: BigInt(i),
      timestamp: 0,
    }))
    const state = { logStartOffset: 0n, read: (_: bigint, on: (all: typeof records) => void) => on(records) }
    await task.restore({ state } as unknown as RestoreContext)
    return task
  }
}
