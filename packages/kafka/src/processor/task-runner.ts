import { randomBytes } from 'node:crypto'
import { backOffMs, jittered } from '@weir/contracts'
import { kafkaErrorType } from '../client/kafka-client.ts'
import { pause } from '../client/clock.ts'
import type { ClusterReads } from '../read/cluster-reads.ts'
import {
  OffsetOutOfRangeError,
  RestartError,
  RetriableError,
  StageError,
  StateError,
  TransactionError,
} from '../client/errors.ts'
import type { Membership } from '../group/membership.ts'
import type { PartitionOwner, RestoreContext, StagedBatch } from './task.ts'
import { PartitionQueue } from '../read/prefetch-queue.ts'
import { PartitionInputs, type Feed, type Input, type TakenBatch } from './task-inputs.ts'
import type { PartitionState, StageOptions, StartStep } from './processor-options.ts'
import { ParkedLines } from './parked-lines.ts'
import { openStatePartition } from './changelog.ts'
import type { OpenTransactionClient } from '../transactions/transaction-client.ts'
import { TransactionalProducer } from '../transactions/transactional-producer.ts'
import { whereToBegin } from './where-to-begin.ts'

const BACK_OFF = { firstMs: 200, maxMs: 10_000 }
const PARKED_RETRY_MS = 60_000
const QUEUE_BYTES_MIN = 1_048_576

export interface PartitionRunOptions {
  readonly stage: StageOptions
  readonly partition: number
  readonly groupId: string
  /** Connection for the state topic and offsets; the fetcher has its own connections. */
  readonly reads: ClusterReads
  readonly openClient: OpenTransactionClient
  readonly fetcher: Feed
  readonly membership: Pick<Membership, 'confirm' | 'isFresh'>
  /** A predecessor of this partition in this process: it has to end first. */
  readonly after: Promise<void>
  /** It concerns every partition, and neither time nor another member will cure it. */
  onFatal(error: Error): void
  /** It was parked once more. */
  onParked?(): void
}

/** Why a partition cannot go on. */
export interface Parked {
  readonly error: Error
  /** How often it was tried in vain. */
  readonly attempts: number
  /** Whether it could restore, and failed at its work. */
  readonly wasRunning: boolean
}

/** One ownership of one partition number: from the fence to the release, over any number of restarts. */
export class PartitionRun {
  readonly #options: PartitionRunOptions
  readonly #released = new AbortController()
  readonly done: Promise<void>
  #state: PartitionState = 'fencing'
  #parked: Parked | undefined
  readonly #lines = new ParkedLines()
  #retryNow = new AbortController()
  /** Since the last start: what fails now and then, and works in between, need not wait longer each time. */
  #hasCommitted = false

  constructor(options: PartitionRunOptions) {
    this.#options = options
    this.done = this.#run()
  }

  get state(): PartitionState {
    return this.#state
  }

  /** From the moment it is parked until it works again, also while it is tried. */
  get parked(): Parked | undefined {
    return this.#parked
  }

  /** Tries a parked partition again now. */
  resume(): void {
    this.#retryNow.abort()
  }

  /** Released, or about to be: it takes no further batch. */
  get isOver(): boolean {
    return this.#isReleased() || this.#state === 'released'
  }

  /** Lets a running transaction end, then closes. */
  release(): Promise<void> {
    this.#released.abort()
    return this.done
  }

  async #run(): Promise<void> {
    const { after, partition, membership, stage, reads } = this.#options
    await after
    for (let failures = 0; !this.#isReleased();) {
      // Fencing without being the owner would shut out the rightful one.
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
        stage.logger.warn(fields, `${error.message}: starting the partition again`)
        await this.#pause(failures)
      }
    }
    this.#goesOn()
    this.#enter('released')
  }

  /** What it waits for is repaired outside, and may take long: it is tried again now and then, or when it is told to. */
  async #park(error: Error): Promise<void> {
    const { stage, partition, reads } = this.#options
    const wasRunning = this.#state === 'running'
    this.#parked = { error, wasRunning, attempts: (this.#parked?.attempts ?? 0) + 1 }
    this.#lines.write(stage.logger, partition, error)
    this.#enter('parked', error)
    stage.observer?.parked?.({ partition, error })
    this.#options.onParked?.()
    this.#retryNow = new AbortController()
    const ms = (stage.parkedRetryMs ?? PARKED_RETRY_MS) * (0.9 + reads.clock.random() / 5)
    const signal = AbortSignal.any([this.#released.signal, this.#retryNow.signal])
    await pause(reads.clock, ms, signal)
  }

  #goesOn(): void {
    if (this.#parked === undefined) return
    this.#parked = undefined
    this.#options.stage.observer?.parked?.({ partition: this.#options.partition })
  }

  async #own(): Promise<void> {
    const { stage, partition, groupId, openClient, reads } = this.#options
    this.#hasCommitted = false
    this.#enter('fencing')
    const transactionalId = `${stage.settings.topicPrefix}${stage.service}-${partition}`
    const producer = new TransactionalProducer({
      openClient,
      transactionalId,
      clock: reads.clock,
      logger: stage.logger,
      onStep: stage.onStep,
      transactionTimeoutMs: stage.settings.transactionTimeoutMs,
      places: { groupId, partition, own: writtenBy(stage), shared: stage.sharedOutputs ?? [] },
    })
    let owner: PartitionOwner | undefined
    let inputs: PartitionInputs | undefined
    try {
      this.#step('assigned')
      await producer.fence(this.#released.signal)
      this.#enter('restoring')
      owner = await stage.openOwner(partition)
      const restored = await this.#restore(owner, producer)
      inputs = restored.inputs
      this.#step('positioned')
      this.#enter('running')
      if (this.#parked?.wasRunning === false) this.#goesOn()
      await this.#work(owner, producer, restored)
    } catch (error) {
      inputs?.close()
      const decided = await this.#ifOwner(producer, error)
      await producer.close()
      await owner?.close().catch((closing: unknown) => {
        const fields = { partition, error: kafkaErrorType(closing) }
        stage.logger.warn(fields, 'the owner could not be closed after an error')
      })
      throw decided
    }
    inputs.close()
    await producer.close()
    await owner.close()
  }

  /** A contradiction needs an operator only if this process is still the owner: a successor changes what was read. */
  async #ifOwner(producer: TransactionalProducer, error: unknown): Promise<unknown> {
    if (this.#isReleased() || isTemporary(error)) return error
    return producer.requireOwner().then(
      () => error,
      (another: unknown) => another,
    )
  }

  /** Brings the owner to where its predecessor has committed, and opens the inputs there. */
  async #restore(owner: PartitionOwner, producer: TransactionalProducer): Promise<Restored> {
    const { stage, partition, groupId, reads, fetcher } = this.#options
    const signal = this.#released.signal
    const stateTopic = stage.stateTopic
    const state =
      stateTopic === undefined
        ? undefined
        : await openStatePartition({
            reads,
            topic: stateTopic,
            partition,
            barrierOffset: await producer.barrier(stateTopic, partition, randomBytes(16)),
            signal,
          })
    if (state !== undefined) this.#step('barrier')
    const committed = await reads.committedOffsets(groupId, stage.inputs, partition)
    this.#step('offsets-read')
    const context: RestoreContext = {
      partition,
      clusterId: await reads.clusterId(),
      signal,
      committed: (topic) => committed.get(topic),
      ownershipIsFresh: this.#ownershipIsFresh,
      ...(state && { state }),
    }
    const positions = await owner.restore(context)
    this.#step('restored')
    signal.throwIfAborted()
    const starts = await whereToBegin({
      stage,
      partition,
      groupId,
      reads,
      producer,
      signal,
      committed,
      positions,
    })
    signal.throwIfAborted()
    // From here nothing can fail, so no queue stays with the fetcher that nobody reads.
    const inputs = new PartitionInputs({
      batch: stage.batch,
      clock: reads.clock,
      fetcher,
      signal,
      onLag: (topic, records) => stage.observer?.lag?.({ partition, topic, records }),
    })
    for (const { topic, offset, end } of starts) {
      const queue = new PartitionQueue({
        topic,
        partition,
        offset,
        highWatermark: end,
        bytesMax: Math.max(QUEUE_BYTES_MIN, 2 * stage.batch.bytesMax),
        onChange: () => inputs.changed(topic),
      })
      inputs.add(queue, committed.get(topic)?.metadata ?? '')
    }
    return { inputs, positions }
  }

  async #work(
    owner: PartitionOwner,
    producer: TransactionalProducer,
    { inputs, positions }: Restored,
  ): Promise<void> {
    const { stage, partition, reads } = this.#options
    // Readers stop at a transaction that brokers left open, and only the next fence ends it, so it must not wait for more input.
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
      const isForOwner = records.length > 0 || positions.has(topic)
      const staged = isForOwner ? await this.#stage(owner, batch) : NOTHING
      if (staged === undefined) return
      const metadata = staged.offsetMetadata ?? input.metadata
      const written = await producer.commit(staged.outputs, [
        { topic, partition, offset: nextOffset, metadata },
      ])
      this.#hasCommitted = true
      this.#goesOn()
      watch()
      await staged.committed?.(written)
      inputs.committed(input, nextOffset, metadata)
      stage.observer?.committed?.({
        partition,
        topic,
        records: records.length,
        outputs: staged.outputs.length,
        durationMs: reads.clock.now() - startedAt,
      })
    }
  }

  /** Asks the owner until it can decide; undefined when the partition was released meanwhile. */
  async #stage(
    owner: PartitionOwner,
    { input, records, nextOffset }: TakenBatch,
  ): Promise<StagedBatch | undefined> {
    const { partition, stage } = this.#options
    const { signal } = this.#released
    const { topic } = (input satisfies Input).queue
    const ownershipIsFresh = this.#ownershipIsFresh
    for (let failures = 0; ;) {
      try {
        const staged = await owner.stage({ topic, partition, records, nextOffset, signal, ownershipIsFresh })
        if (failures > 0) this.#enter('running')
        return staged
      } catch (error) {
        if (this.#isReleased()) return undefined
        if (!(error instanceof RetriableError)) throw error
        failures += 1
        this.#enter('backing_off', error)
        stage.logger.warn(
          { partition, topic, failures, records: records.length },
          `${error.message}: waiting`,
        )
        await this.#pause(failures)
        if (this.#isReleased()) return undefined
      }
    }
  }

  #enter(state: PartitionState, error?: Error): void {
    const { stage, partition } = this.#options
    this.#state = state
    stage.observer?.partition?.({ partition, state, ...(error && { error }) })
  }

  #step(step: StartStep): void {
    this.#options.stage.onStep?.(step, [])
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
  readonly inputs: PartitionInputs
  /** That the owner keeps, by input topic: they commit with the group's offset, also where nothing was read. */
  readonly positions: ReadonlyMap<string, bigint | undefined>
}

/** Topics of which partition p is written by its owner. */
const writtenBy = ({ outputs, stateTopic, startsTopic }: StageOptions): readonly string[] => [
  ...outputs,
  startsTopic,
  ...(stateTopic === undefined ? [] : [stateTopic]),
]

const NOTHING: StagedBatch = { outputs: [] }

/** No partition can work, and no process that is started in its place. */
const CONCERNS_ALL = new Set([
  'TOPIC_AUTHORIZATION_FAILED',
  'GROUP_AUTHORIZATION_FAILED',
  'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
  'INVALID_TRANSACTION_TIMEOUT',
])

const concernsAll = (error: unknown): boolean =>
  error instanceof StageError || (!isTemporary(error) && CONCERNS_ALL.has(kafkaErrorType(error)))

const isTemporary = (error: unknown): error is Error =>
  (error instanceof TransactionError || error instanceof RetriableError || error instanceof RestartError) &&
  !(error instanceof StateError || error instanceof OffsetOutOfRangeError)
