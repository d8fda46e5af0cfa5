import { RetriableError } from '../../client/errors.ts'
import {
  IMPOSSIBLE_EPOCH,
  type OpenTransaction,
  type Outcome,
  type ProducerEpoch,
  type TopicPartition,
  type TransactionView,
} from '../../transactions/transaction-view.ts'
import type { ModelBroker } from './model-broker.ts'
import { BrokerError } from './model-log.ts'
import { ConnectionError, type SimProcess, type World } from './world.ts'

const REFUSED = new Set(['PRODUCER_FENCED', 'INVALID_PRODUCER_EPOCH', 'INVALID_PRODUCER_ID_MAPPING'])

/** The timeout with which the planted swap marks its epoch. */
export const SHUT_OUT_TIMEOUT_MS = 1

type Initialised = ({ readonly outcome: 'given' } & ProducerEpoch) | { readonly outcome: 'busy' }

export interface ModelViewOptions {
  readonly world: World
  readonly process: SimProcess
  readonly broker: ModelBroker
  readonly transactionalId: string
  readonly transactionTimeoutMs: number
  /** Names of all partitions that the id may write to. */
  readonly places: readonly string[]
}

/** A transactional id as one process sees it. Each request may take any time. */
export class ModelView implements TransactionView {
  readonly #options: ModelViewOptions

  constructor(options: ModelViewOptions) {
    this.#options = options
  }

  canLook(): Promise<boolean> {
    return Promise.resolve(true)
  }

  describe() {
    const { broker, transactionalId } = this.#options
    return this.#call('DescribeTransactions', () => {
      try {
        const { state, producerId, epoch, timeoutMs } = broker.describeTransaction(transactionalId)
        const isShutOut = timeoutMs === SHUT_OUT_TIMEOUT_MS
        return { state, producerId: String(producerId), epoch, timeoutMs, isShutOut }
      } catch (error) {
        if (error instanceof BrokerError && error.type === 'TRANSACTIONAL_ID_NOT_FOUND') return undefined
        throw error
      }
    })
  }

  async open(producerId: string, on?: readonly TopicPartition[]): Promise<readonly OpenTransaction[]> {
    const { broker, places } = this.#options
    const names = on?.map(({ topic, partition }) => `${topic}/${partition}`) ?? places
    // Asks the leaders one by one, so that other requests may come in between.
    const found: OpenTransaction[] = []
    for (const name of names) {
      const { topic, partition } = broker.log(name)
      const entry = await this.#call(`DescribeProducers ${name}`, () =>
        broker.describeProducers(name).find((one) => String(one.producerId) === producerId),
      )
      if (entry?.openFrom === undefined) continue
      const { epoch, coordinatorEpoch, openFrom } = entry
      found.push({ topic, partition, epoch, coordinatorEpoch, from: BigInt(openFrom) })
    }
    return found
  }

  /** InitProducerId with an expected epoch, for a planted defect. */
  async swap(
    { producerId, epoch }: ProducerEpoch,
    timeoutMs = SHUT_OUT_TIMEOUT_MS,
  ): Promise<Initialised | { readonly outcome: 'refused' }> {
    const expected = { producerId: Number(producerId), epoch }
    return this.#call(`InitProducerId expecting epoch ${epoch}`, () => {
      try {
        return this.#init(timeoutMs, expected)
      } catch (error) {
        if (error instanceof BrokerError && error.type === 'PRODUCER_FENCED') return { outcome: 'refused' }
        throw error
      }
    })
  }

  async abortOngoing(producerId: string): Promise<void> {
    await this.swap({ producerId, epoch: IMPOSSIBLE_EPOCH }, this.#options.transactionTimeoutMs)
  }

  init(timeoutMs = this.#options.transactionTimeoutMs): Promise<Initialised> {
    return this.#call('InitProducerId', () => this.#init(timeoutMs))
  }

  #init(timeoutMs: number, expected?: { readonly producerId: number; readonly epoch: number }): Initialised {
    const { broker, transactionalId } = this.#options
    try {
      const { producerId, epoch } = broker.initProducerId(transactionalId, timeoutMs, expected)
      return { outcome: 'given', producerId: String(producerId), epoch }
    } catch (error) {
      if (error instanceof BrokerError && error.type === 'CONCURRENT_TRANSACTIONS') return { outcome: 'busy' }
      throw error
    }
  }

  mark(open: OpenTransaction, own: ProducerEpoch, outcome: Outcome): Promise<'ended' | 'refused'> {
    const { broker } = this.#options
    const name = `${open.topic}/${open.partition}`
    const { producerId, epoch } = own
    const coordinatorEpoch = Math.max(0, open.coordinatorEpoch)
    return this.#call(`WriteTxnMarkers ${name} ${outcome} with epoch ${epoch}`, () => {
      try {
        broker.writeMarker(name, { producerId: Number(producerId), epoch, coordinatorEpoch, outcome })
        return 'ended'
      } catch (error) {
        if (error instanceof BrokerError && REFUSED.has(error.type)) return 'refused'
        throw error
      }
    })
  }

  wait(ms: number): Promise<void> {
    const { world, process } = this.#options
    return new Promise((resolve) => world.setTimer(process, ms, resolve))
  }

  async #call<T>(label: string, execute: () => T): Promise<T> {
    const { world, process } = this.#options
    try {
      return await world.call(process, label, execute)
    } catch (error) {
      if (error instanceof BrokerError || error instanceof ConnectionError) {
        throw new RetriableError(`${label}: ${error.message}`, { cause: error })
      }
      throw error
    }
  }
}
