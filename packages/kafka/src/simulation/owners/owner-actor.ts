import { RetriableError, StateError, TransactionError } from '../../client/errors.ts'
import type { ProducerEpoch, TopicPartition } from '../../transactions/transaction-view.ts'
import { OFFSETS, type ModelBroker } from '../model/model-broker.ts'
import { BrokerError } from '../model/model-log.ts'
import { ModelView } from '../model/model-view.ts'
import { ConnectionError, type SimProcess, type World } from '../model/world.ts'

/** How an owner gets its epoch, and its checks between a commit and the next transaction. */
export interface Protocol {
  takeOver(view: ModelView): Promise<ProducerEpoch>
  committedEverywhere(view: ModelView, own: ProducerEpoch, written: readonly TopicPartition[]): Promise<void>
}

export const ID = 'dedup-0'
export const GROUP = 'dedup'
export const INPUT = 'received/0'
export const SEEN = 'seen/0'
export const UNIQUE = 'unique/0'
export const TRANSACTION_TIMEOUT_MS = 10_000
const BACKOFF_MS = 200
const BUSY = new Set(['CONCURRENT_TRANSACTIONS', 'NOT_ENOUGH_REPLICAS'])

export interface Deployment {
  readonly world: World
  readonly broker: ModelBroker
  readonly protocol: Protocol
  /** Event keys, indexed by offset. */
  readonly inputs: readonly string[]
  /** True when the group has assigned the partition to this process. */
  readonly isOwner: (process: SimProcess) => boolean
  readonly onParked: (process: SimProcess, error: Error) => void
}

/** The record of one transaction in the state topic. */
interface StateRecord {
  readonly key?: string
  readonly position: number
}

/**
 * One owner of the partition, from the confirmation of the group to the end of the input. A short form of `TaskRunner`.
 */
export class OwnerActor {
  readonly #deployment: Deployment
  readonly #process: SimProcess

  constructor(deployment: Deployment, process: SimProcess) {
    this.#deployment = deployment
    this.#process = process
  }

  async run(): Promise<void> {
    const { world, isOwner, onParked } = this.#deployment
    for (;;) {
      try {
        if (!(await this.#call('Heartbeat', () => isOwner(this.#process)))) return
        await this.#own()
        return
      } catch (error) {
        if (!isTemporary(error)) {
          onParked(this.#process, error as Error)
          return
        }
        world.note(`${this.#process.name} starts the partition again: ${error.message}`)
      }
      await new Promise<void>((resolve) => world.setTimer(this.#process, BACKOFF_MS, resolve))
    }
  }

  async #own(): Promise<void> {
    const { world, broker, protocol, inputs } = this.#deployment
    const view = new ModelView({
      world,
      broker,
      process: this.#process,
      transactionalId: ID,
      transactionTimeoutMs: TRANSACTION_TIMEOUT_MS,
      places: [UNIQUE, SEEN, OFFSETS],
    })
    const own = await protocol.takeOver(view)
    const { seen, position } = await this.#restore(own)
    for (let offset = position; offset < inputs.length; offset++) {
      const key = inputs[offset]!
      const isNew = !seen.has(key)
      await this.#transaction(own, offset, isNew ? key : undefined)
      const written = [SEEN, OFFSETS, ...(isNew ? [UNIQUE] : [])].map((name) => broker.log(name))
      await protocol.committedEverywhere(view, own, written)
      seen.add(key)
    }
  }

  /** Writes a barrier in its own transaction, then reads the state before it and the group's offset. */
  async #restore(own: ProducerEpoch): Promise<{ readonly seen: Set<string>; readonly position: number }> {
    const { broker } = this.#deployment
    const producer = this.#producer(own)
    await this.#whenEnded('AddPartitions seen', () => broker.addPartitions(producer, [SEEN]))
    const barrier = await this.#whenEnded('Produce barrier', () =>
      broker.produce(producer, SEEN, ['barrier']),
    )
    await this.#call('EndTxn commit', () => broker.endTransaction(producer, 'commit'))
    const records = await this.#until(`read ${SEEN} up to ${barrier}`, () => {
      const log = broker.log(SEEN)
      log.requireLeader()
      return log.lastStableOffset > barrier ? log.visible() : undefined
    })
    const offset = await this.#call('OffsetFetch', () => broker.committedOffset(GROUP, INPUT)?.offset ?? 0)
    const states = records
      .filter(({ value }) => value !== 'barrier')
      .map(({ value }) => JSON.parse(value) as StateRecord)
    const position = states.at(-1)?.position ?? 0
    if (position !== offset) {
      const difference = `position ${position} and committed offset ${offset} differ`
      // A zombie may read the offset that its successor committed.
      const isOwner = await this.#call('Heartbeat', () => this.#deployment.isOwner(this.#process))
      throw isOwner ? new StateError(difference) : new RetriableError(difference)
    }
    return { seen: new Set(states.flatMap(({ key }) => (key === undefined ? [] : [key]))), position }
  }

  async #transaction(own: ProducerEpoch, offset: number, key: string | undefined): Promise<void> {
    const { broker } = this.#deployment
    const producer = this.#producer(own)
    const position = offset + 1
    const outputs: (readonly [string, string])[] = [
      ...(key === undefined ? [] : [[UNIQUE, key] as const]),
      [SEEN, JSON.stringify({ ...(key !== undefined && { key }), position } satisfies StateRecord)],
    ]
    const partitions = [...outputs.map(([name]) => name), OFFSETS]
    await this.#whenEnded('AddPartitions', () => broker.addPartitions(producer, partitions))
    const sends = outputs.map(([name, value]) =>
      this.#whenEnded(`Produce ${name} ${value}`, () => broker.produce(producer, name, [value])),
    )
    const failed = (await Promise.allSettled(sends)).find(({ status }) => status === 'rejected')
    if (failed) throw (failed as PromiseRejectedResult).reason
    const offsets = { [INPUT]: { offset: position, metadata: '' } }
    await this.#whenEnded(`TxnOffsetCommit ${position}`, () => broker.commitOffsets(producer, GROUP, offsets))
    await this.#call('EndTxn commit', () => broker.endTransaction(producer, 'commit'))
  }

  #producer({ producerId, epoch }: ProducerEpoch) {
    return { transactionalId: ID, producerId: Number(producerId), epoch }
  }

  /** Retries while the coordinator is still ending the previous transaction. */
  #whenEnded<T>(label: string, execute: () => T): Promise<T> {
    return this.#until(label, () => {
      try {
        return { value: execute() }
      } catch (error) {
        if (error instanceof BrokerError && BUSY.has(error.type)) return undefined
        throw error
      }
    }).then(({ value }) => value)
  }

  async #until<T>(label: string, execute: () => T | undefined): Promise<T> {
    for (let attempts = 0; ; attempts++) {
      const found = await this.#call(label, execute)
      if (found !== undefined) return found
      if (attempts === ATTEMPTS_MAX) throw new TransactionError(`${label}: given up`)
      await new Promise<void>((resolve) => this.#deployment.world.setTimer(this.#process, WAIT_MS, resolve))
    }
  }

  async #call<T>(label: string, execute: () => T): Promise<T> {
    try {
      return await this.#deployment.world.call(this.#process, label, execute)
    } catch (error) {
      if (error instanceof BrokerError || error instanceof ConnectionError) {
        throw new TransactionError(`${label}: ${error.message}`, { cause: error })
      }
      throw error
    }
  }
}

const WAIT_MS = 20
const ATTEMPTS_MAX = 200

const isTemporary = (error: unknown): error is Error =>
  error instanceof TransactionError || error instanceof RetriableError
