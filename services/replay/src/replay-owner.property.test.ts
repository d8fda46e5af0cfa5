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
import { createLogger } from '@weir/service-kit'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { CommandLog } from './command-log.ts'
import { decodeCommand, decodeJob, encodeJson, jobRequest, NO_COUNTS, type Command, type Job } from './job.ts'
import { LetterReader } from './letters.ts'
import { ReplayOwner } from './replay-owner.ts'
import { ModelTopic } from './testing/model-topic.ts'

const PARTITIONS = 2
const PARTITION_NUMBERS = [0, 1]
const topics = topicNames('')
const REASONS = ['unmappable', 'schema_violation'] as const satisfies readonly DeadLetterReason[]

const letterOf = (id: string, reason: DeadLetterReason): WireRecord => {
  const webhook = encodeReceivedWebhook({
    ...{ source: 'nice', interactionId: id, entityKey: entityKeyOf('nice', id), dedupKey: id },
    ...{ eventKey: eventKeyOf('nice', id), bodyHash: Buffer.alloc(8), receivedAt: 5, eventType: 'type' },
    raw: Buffer.from('{"a":1}'),
  })
  const origin = { ...webhook, topic: topics.unique, partition: 0, offset: 0n }
  return encodeDeadLetter({ origin, reason, step: 'step', error: 'planted', failedAt: 1_000 })
}

/** The service over model topics: its stage commits outputs and the position together, or not at all. */
class Model {
  readonly letters = new ModelTopic(topics.normalizerDlq, PARTITIONS)
  readonly commands = new ModelTopic(topics.replayCommands, 1)
  readonly returned: { readonly id: string; readonly job: string }[] = []
  readonly jobs = new Map<string, Job>()
  /** Letters that were decided when a job began: ids by job. */
  readonly #due = new Map<string, readonly string[]>()
  readonly #state: WireRecord[] = []
  #position = 0n
  #owner: ReplayOwner | undefined
  #count = 0

  write(partition: number, reasons: readonly DeadLetterReason[], outcome: 'open' | 'aborted' | 'committed') {
    this.letters.end(partition, 'committed')
    const letters = reasons.map((reason) => letterOf(`letter-${this.#count++}`, reason))
    this.letters.append(partition, letters, 'open')
    if (outcome !== 'open') this.letters.end(partition, outcome)
  }

  ask(command: Command): void {
    const id = command.kind === 'create' ? command.job.id : 'id' in command ? command.id : ''
    const record = { key: Buffer.from(id), value: encodeJson(command), headers: {} }
    this.commands.append(0, [record], 'committed')
  }

  /** One command; false when there is none. `fate`: what becomes of the process. */
  async work(fate: 'lives' | 'killed before the commit' | 'killed after the commit'): Promise<boolean> {
    const record = this.commands.readable(0).find(({ offset }) => offset >= this.#position)
    if (record === undefined) return false
    this.#owner ??= await this.#open()
    const nextOffset = record.offset + 1n
    const cancelled = this.#cancelledAt(record.offset)
    const dueNow = this.#dueNow()
    const { outputs, committed } = await this.#owner.stage({
      ...{ topic: topics.replayCommands, partition: 0, records: [record], nextOffset },
      ...{ signal: new AbortController().signal, ownershipIsFresh: () => true },
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

  /** Its timers end with it. */
  async kill(): Promise<void> {
    await this.#owner?.close()
    this.#owner = undefined
  }

  /** What a job that begins now has to look at. */
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
        // Its cancel was there before the step began.
        expect(seen.cancelled).not.toContain(job)
        this.returned.push({ id: headers[HEADER.interactionId]!.toString(), job })
      }
      const job = topic === topics.replayState ? decodeJob(value) : undefined
      if (job === undefined) continue
      if (!this.jobs.has(job.id)) this.#due.set(job.id, seen.dueNow)
      this.jobs.set(job.id, job)
      if (job.state === 'done') this.#expectAllOf(job)
    }
  }

  /** Whatever fitted when the job began has come back by its end, and it has brought back nothing else. */
  #expectAllOf({ id, filter }: Job): void {
    const due = this.#due.get(id)!
    const fitting = this.all().filter(({ reason }) => filter.reason === undefined || filter.reason === reason)
    const returned = this.returned.map((one) => one.id)
    for (const one of fitting) if (one.isKept && due.includes(one.id)) expect(returned).toContain(one.id)
    const own = this.returned.filter(({ job }) => job === id).map((one) => one.id)
    const allowed = fitting.map((one) => one.id).filter((one) => due.includes(one))
    for (const one of own) expect(allowed).toContain(one)
  }

  /** Every letter that was ever committed. */
  all() {
    return PARTITION_NUMBERS.flatMap((partition) =>
      this.letters.readable(partition).map(({ offset, headers }) => ({
        ...{
          id: headers[HEADER.interactionId]!.toString(),
          isKept: offset >= this.letters.startOf(partition),
        },
        reason: headers[HEADER.dlqReason]!.toString(),
      })),
    )
  }

  async #open(): Promise<ReplayOwner> {
    const owner = new ReplayOwner({
      ...{ topics, partitions: PARTITIONS, keys: undefined, bodyHashKey: 'key', sources: [] },
      ...{ events: undefined as unknown as EventReader, logger: createLogger('test', 'silent') },
      letters: new LetterReader(topics, () => Promise.resolve(this.letters.reader)),
      commands: new CommandLog(() => Promise.resolve(this.commands.reader)),
      chunkLettersMax: 2,
      send: (command) => {
        this.ask(command)
        return Promise.resolve()
      },
    })

    const records = this.#state.map((one, i) => ({
      ...{ ...one, topic: topics.replayState, partition: 0, offset: BigInt(i), timestamp: 0 },
    }))
    const state = { logStartOffset: 0n, read: (_: bigint, on: (all: typeof records) => void) => on(records) }
    await owner.restore({ state } as unknown as RestoreContext)
    return owner
  }
}

const id = fc.constantFrom('job-1', 'job-2', 'job-3')
const partition = fc.nat(PARTITIONS - 1)
const step = fc.oneof(
  fc.record({
    ...{ kind: fc.constant('write' as const), partition },
    reasons: fc.array(fc.constantFrom(...REASONS), { minLength: 1, maxLength: 5 }),
    outcome: fc.constantFrom('open' as const, 'aborted' as const, 'committed' as const, 'committed' as const),
  }),
  fc.record({ kind: fc.constant('abort' as const), partition }),
  fc.record({ kind: fc.constant('expire' as const), partition, before: fc.nat(20) }),
  fc.record({
    kind: fc.constant('create' as const),
    id,
    reason: fc.option(fc.constantFrom(...REASONS), { nil: undefined }),
  }),
  fc.record({ kind: fc.constant('cancel' as const), id }),
  fc.record({ kind: fc.constant('tick' as const), id, step: fc.nat(4) }),
  fc.record({
    kind: fc.constant('work' as const),
    fate: fc.constantFrom(
      ...(['lives', 'lives', 'killed before the commit', 'killed after the commit'] as const),
    ),
  }),
)

const jobOf = (id: string, reason: DeadLetterReason | undefined): Job => ({
  ...jobRequest.parse({ kind: 'replay', filter: { stage: 'normalizer', reason }, ratePerSec: 100_000 }),
  ...{ id, requestedBy: 'ann', requestedAt: 1, state: 'waiting', cursor: {}, end: {}, counts: NO_COUNTS },
  finishedAt: null,
})

const STEPS_MAX = 1_000
const workOff = async (model: Model): Promise<void> => {
  for (let steps = 0; await model.work('lives'); steps++) {
    if (steps > STEPS_MAX) throw new Error('a job does not end')
  }
}

it('ends each job, and returns each letter that fits once, whatever comes between', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const model = new Model()
      for (const one of steps) {
        if (one.kind === 'write') model.write(one.partition, one.reasons, one.outcome)
        else if (one.kind === 'abort') model.letters.end(one.partition, 'aborted')
        else if (one.kind === 'expire') model.letters.expire(one.partition, one.before)
        else if (one.kind === 'create') model.ask({ kind: 'create', job: jobOf(one.id, one.reason) })
        else if (one.kind === 'cancel') model.ask({ kind: 'cancel', id: one.id })
        else if (one.kind === 'tick') model.ask({ kind: 'tick', id: one.id, step: one.step })
        else await model.work(one.fate)
      }
      // Letters of a transaction that never ends keep no job from ending.
      await workOff(model)
      for (const job of model.jobs.values()) expect(['done', 'cancelled']).toContain(job.state)
      for (const partition of PARTITION_NUMBERS) model.letters.end(partition, 'committed')
      model.ask({ kind: 'create', job: jobOf('last', undefined) })
      await workOff(model)
      const ids = model.returned.map((one) => one.id)
      expect(new Set(ids).size).toBe(ids.length)
      const all = model.all()
      for (const { id, isKept } of all) if (isKept) expect(ids).toContain(id)
      for (const id of ids) expect(all.map((one) => one.id)).toContain(id)
      await model.kill()
    }),
    { numRuns: 1_000 },
  )
})
