import { randomBytes } from 'node:crypto'
import { backOffMs, jittered } from '@weir/contracts'
import { kafkaErrorType } from '../client/kafka-client.ts'
import { pause } from '../client/clock.ts'
import type { ClusterReads } from '../read/cluster-reads.ts'
import {
  OffsetOutOfRangeError,
  RestartError,
  RetriableError,
  ProcessorError,
  StateError,
  TransactionError,
} from '../client/errors.ts'
import type { Membership } from '../group/membership.ts'
import type { Task, RestoreContext, ProcessedBatch } from './task.ts'
import { PrefetchQueue } from '../read/prefetch-queue.ts'
import { TaskInputs, type Feed, type Input, type TakenBatch } from './task-inputs.ts'
import type { TaskState, ProcessorOptions } from './processor-options.ts'
import type { StartStep } from '../transactions/steps.ts'
import { ParkedLines } from './parked-lines.ts'
import { openChangelog } from './changelog.ts'
import type { OpenTransactionClient } from '../transactions/transaction-client.ts'
import { TransactionalProducer } from '../transactions/transactional-producer.ts'
import { whereToBegin } from './where-to-begin.ts'

const BACK_OFF = { firstMs: 200, maxMs: 10_000 }
const PARKED_RETRY_MS = 60_000
const QUEUE_BYTES_MIN = 1_048_576

export interface TaskRunnerOptions {
  readonly processor: ProcessorOptions
  readonly partition: number
  readonly groupId: string
  /** Reads the changelog and offsets. The fetcher has its own connections. */
  readonly reads: ClusterReads
  readonly openClient: OpenTransactionClient
  readonly fetcher: Feed
  readonly membership: Pick<Membership, 'confirm' | 'isFresh'>
  /** Resolves when the previous runner of this partition in this process has ended. */
  readonly after: Promise<void>
  /** Called with an error that affects every partition and that no retry or other member resolves. */
  onFatal(error: Error): void
  /** Called each time the partition is parked. */
  onParked?(): void
}

/** Why a partition is parked. */
export interface Parked {
  readonly error: Error
  /** Number of failed attempts. */
  readonly attempts: number
  /** True when the restore succeeded and the task failed later. */
  readonly wasRunning: boolean
}

/** Runs the task of one partition number from fence to release, and restarts it after errors. */
export class TaskRunner {
  readonly #options: TaskRunnerOptions
  readonly #released = new AbortController()
  readonly done: Promise<void>
  #state: TaskState = 'fencing'
  #parked: Parked | undefined
  readonly #lines = new ParkedLines()
  #retryNow = new AbortController()
  /** True after a commit since the last start. Resets the back-off, so occasional errors do not add up. */
  #hasCommitted = false

  constructor(options: TaskRunnerOptions) {
    this.#options = options
    this.done = this.#run()
  }

  get state(): TaskState {
    return this.#state
  }

  /** Set from the first failure until the partition works again, also during a new attempt. */
  get parked(): Parked | undefined {
    return this.#parked
  }

  /** Ends the delay of a parked partition. */
  resume(): void {
    this.#retryNow.abort()
  }

  /** True once a release was requested. The task gets no further batch. */
  get isOver(): boolean {
    return this.#isReleased() || this.#state === 'released'
  }

  /** Completes the running transaction, then closes the task. */
  release(): Promise<void> {
    this.#released.abort()
    return this.done
  }

  async #run(): Promise<void> {
    const { after, partition, membership, processor, reads } = this.#options
    await after
    for (let failures = 0; !this.#isReleased();) {
      // A process that fences a partition without owning it stops the rightful owner.
      if (!(await membership.confirm(partition, this.#released.signal))) break
      const startedAt = reads.clock.now()
      try {
        await this.#own()
      } catch (error) {
        if (this.#isReleased()) break
        if (concernsAll(error)) {
          this.#enter('stopped', error as Error)
          this.#options.onFatal(error as Error)
          return
        }
        if (!isTemporary(error)) {
          await this.#park(error as Error)
          failures = 0
          continue
        }
        failures = this.#hasCommitted || reads.clock.now() - startedAt > BACK_OFF.maxMs ? 1 : failures + 1
        this.#enter('backing_off', error)
        const fields = { partition, failures, error: kafkaErrorType(error.cause ?? error) }
        processor.logger.warn(fields, `${error.message}: starting the partition again`)
        await this.#pause(failures)
      }
    }
    this.#goesOn()
    this.#enter('released')
  }

  /** Waits for an outside repair. Resolves after the retry delay, or when `resume` or `release` is called. */
  async #park(error: Error): Promise<void> {
    const { processor, partition, reads } = this.#options
    const wasRunning = this.#state === 'running'
    this.#parked = { error, wasRunning, attempts: (this.#parked?.attempts ?? 0) + 1 }
    this.#lines.write(processor.logger, partition, error)
    this.#enter('parked', error)
    processor.observer?.parked?.({ partition, error })
    this.#options.onParked?.()
    this.#retryNow = new AbortController()
    const ms = (processor.parkedRetryMs ?? PARKED_RETRY_MS) * (0.9 + reads.clock.random() / 5)
    const signal = AbortSignal.any([this.#released.signal, this.#retryNow.signal])
    await pause(reads.clock, ms, signal)
  }

  #goesOn(): void {
    if (this.#parked === undefined) return
    this.#parked = undefined
    this.#options.processor.observer?.parked?.({ partition: this.#options.partition })
  }

  async #own(): Promise<void> {
    const { processor, partition, groupId, openClient, reads } = this.#options
    this.#hasCommitted = false
    this.#enter('fencing')
    const transactionalId = `${processor.settings.topicPrefix}${processor.service}-${partition}`
    const producer = new TransactionalProducer({
      openClient,
      transactionalId,
      clock: reads.clock,
      logger: processor.logger,
      onStep: processor.onStep,
      transactionTimeoutMs: processor.settings.transactionTimeoutMs,
      places: { groupId, partition, own: writtenBy(processor), shared: processor.sharedOutputs ?? [] },
    })
    let task: Task | undefined
    let inputs: TaskInputs | undefined
    try {
      this.#step('assigned')
      await producer.fence(this.#released.signal)
      this.#enter('restoring')
      task = await processor.openTask(partition)
      const restored = await this.#restore(task, producer)
      inputs = restored.inputs
      this.#step('positioned')
      this.#enter('running')
      if (this.#parked?.wasRunning === false) this.#goesOn()
      await this.#work(task, producer, restored)
    } catch (error) {
      inputs?.close()
      const decided = await this.#ifOwner(producer, error)
      await producer.close()
      await task?.close().catch((closing: unknown) => {
        const fields = { partition, error: kafkaErrorType(closing) }
        processor.logger.warn(fields, 'the task could not be closed after an error')
      })
      throw decided
    }
    inputs.close()
    await producer.close()
    await task.close()
  }

  /** Returns the error if this process is still the owner. Otherwise a successor may have changed what was read. */
  async #ifOwner(producer: TransactionalProducer, error: unknown): Promise<unknown> {
    if (this.#isReleased() || isTemporary(error)) return error
    return producer.requireOwner().then(
      () => error,
      (another: unknown) => another,
    )
  }

  /** Restores the task to the last commit of the previous owner and opens its inputs there. */
  async #restore(task: Task, producer: TransactionalProducer): Promise<Restored> {
    const { processor, partition, groupId, reads, fetcher } = this.#options
    const signal = this.#released.signal
    const changelogTopic = processor.changelogTopic
    const state =
      changelogTopic === undefined
        ? undefined
        : await openChangelog({
            reads,
            topic: changelogTopic,
            partition,
            barrierOffset: await producer.barrier(changelogTopic, partition, randomBytes(16)),
            signal,
          })
    if (state !== undefined) this.#step('barrier')
    const committed = await reads.committedOffsets(groupId, processor.inputs, partition)
    this.#step('offsets-read')
    const context: RestoreContext = {
      partition,
      clusterId: await reads.clusterId(),
      signal,
      committed: (topic) => committed.get(topic),
      ownershipIsFresh: this.#ownershipIsFresh,
      ...(state && { state }),
    }
    const positions = await task.restore(context)
    this.#step('restored')
    signal.throwIfAborted()
    const starts = await whereToBegin({
      processor,
      partition,
      groupId,
      reads,
      producer,
      signal,
      committed,
      positions,
    })
    signal.throwIfAborted()
    // Nothing below can fail. A failure would leave a queue in the fetcher without a reader.
    const inputs = new TaskInputs({
      batch: processor.batch,
      clock: reads.clock,
      fetcher,
      signal,
      onLag: (topic, records) => processor.observer?.lag?.({ partition, topic, records }),
    })
    for (const { topic, offset, end } of starts) {
      const queue = new PrefetchQueue({
        topic,
        partition,
        offset,
        highWatermark: end,
        bytesMax: Math.max(QUEUE_BYTES_MIN, 2 * processor.batch.bytesMax),
        onChange: () => inputs.changed(topic),
      })
      inputs.add(queue, committed.get(topic)?.metadata ?? '')
    }
    return { inputs, positions }
  }

  async #work(task: Task, producer: TransactionalProducer, { inputs, positions }: Restored): Promise<void> {
    const { processor, partition, reads } = this.#options
    // Readers block at a transaction that brokers left open, and only the next fence ends it. Fail before input comes.
    const watch = (): void => {
      producer.ended().catch((error: unknown) => inputs.fail(error as Error))
    }
    watch()
    for (;;) {
      const batch = await inputs.next()
      if (batch === undefined) return
      const { input, records, nextOffset } = batch
      const startedAt = reads.clock.now()
      const { topic } = input.queue
      const isForTask = records.length > 0 || positions.has(topic)
      const processed = isForTask ? await this.#process(task, batch) : NOTHING
      if (processed === undefined) return
      const metadata = processed.offsetMetadata ?? input.metadata
      const written = await producer.commit(processed.outputs, [
        { topic, partition, offset: nextOffset, metadata },
      ])
      this.#hasCommitted = true
      this.#goesOn()
      watch()
      await processed.committed?.(written)
      inputs.committed(input, nextOffset, metadata)
      processor.observer?.committed?.({
        partition,
        topic,
        records: records.length,
        outputs: processed.outputs.length,
        durationMs: reads.clock.now() - startedAt,
      })
    }
  }

  /** Retries until the task has processed the batch. Returns undefined when the partition is released first. */
  async #process(
    task: Task,
    { input, records, nextOffset }: TakenBatch,
  ): Promise<ProcessedBatch | undefined> {
    const { partition, processor } = this.#options
    const { signal } = this.#released
    const { topic } = (input satisfies Input).queue
    const ownershipIsFresh = this.#ownershipIsFresh
    for (let failures = 0; ;) {
      try {
        const processed = await task.process({
          topic,
          partition,
          records,
          nextOffset,
          signal,
          ownershipIsFresh,
        })
        if (failures > 0) this.#enter('running')
        return processed
      } catch (error) {
        if (this.#isReleased()) return undefined
        if (!(error instanceof RetriableError)) throw error
        failures += 1
        this.#enter('backing_off', error)
        processor.logger.warn(
          { partition, topic, failures, records: records.length },
          `${error.message}: waiting`,
        )
        await this.#pause(failures)
        if (this.#isReleased()) return undefined
      }
    }
  }

  #enter(state: TaskState, error?: Error): void {
    const { processor, partition } = this.#options
    this.#state = state
    processor.observer?.partition?.({ partition, state, ...(error && { error }) })
  }

  #step(step: StartStep): void {
    this.#options.processor.onStep?.(step, [])
  }

  readonly #ownershipIsFresh = (): boolean =>
    this.#options.membership.isFresh && !this.#released.signal.aborted

  #isReleased(): boolean {
    return this.#released.signal.aborted
  }

  async #pause(failures: number): Promise<void> {
    const { clock } = this.#options.reads
    await pause(clock, jittered(backOffMs(failures, BACK_OFF), clock.random()), this.#released.signal)
  }
}

interface Restored {
  readonly inputs: TaskInputs
  /** Positions of the task by input topic. They commit with the group's offsets, even if nothing was read. */
  readonly positions: ReadonlyMap<string, bigint | undefined>
}

/** Topics whose partition p is written by the task of partition p. */
const writtenBy = ({ outputs, changelogTopic, startsTopic }: ProcessorOptions): readonly string[] => [
  ...outputs,
  startsTopic,
  ...(changelogTopic === undefined ? [] : [changelogTopic]),
]

const NOTHING: ProcessedBatch = { outputs: [] }

/** With these errors neither another partition nor a restarted process can work. */
const CONCERNS_ALL = new Set([
  'TOPIC_AUTHORIZATION_FAILED',
  'GROUP_AUTHORIZATION_FAILED',
  'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
  'INVALID_TRANSACTION_TIMEOUT',
])

const concernsAll = (error: unknown): boolean =>
  error instanceof ProcessorError || (!isTemporary(error) && CONCERNS_ALL.has(kafkaErrorType(error)))

const isTemporary = (error: unknown): error is Error =>
  (error instanceof TransactionError || error instanceof RetriableError || error instanceof RestartError) &&
  !(error instanceof StateError || error instanceof OffsetOutOfRangeError)
