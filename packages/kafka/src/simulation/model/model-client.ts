import { pause, type Clock } from '../../client/clock.ts'
import type { OutputRecord } from '../../protocol/record.ts'
import type {
  ClientTransaction,
  OpenTransactionClient,
  TransactionalId,
  TransactionClient,
} from '../../transactions/transaction-client.ts'
import type { ProducerEpoch, TopicPartition } from '../../transactions/transaction-view.ts'
import { OFFSETS, type ModelBroker } from './model-broker.ts'
import { BrokerError } from './model-log.ts'
import { encodeRecord } from './model-record.ts'
import { ModelView } from './model-view.ts'
import type { SimProcess, World } from './world.ts'

/** Errors that kafkajs retries by itself. */
const RETRIED = new Set(['NOT_LEADER_FOR_PARTITION', 'NOT_ENOUGH_REPLICAS'])
const RETRIES = 5
const RETRY_MS = 100

const nameOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`

/** The connections of one process, like those of a kafkajs producer: requests that a leader rejects are retried. */
export const modelTransactions =
  (world: World, process: SimProcess, broker: ModelBroker, clock: Clock): OpenTransactionClient =>
  (id) =>
    new ModelClient(world, process, broker, clock, id)

class ModelClient implements TransactionClient {
  readonly view: ModelView
  readonly #world: World
  readonly #process: SimProcess
  readonly #broker: ModelBroker
  readonly #clock: Clock
  readonly #id: TransactionalId
  #own: ProducerEpoch | undefined

  constructor(world: World, process: SimProcess, broker: ModelBroker, clock: Clock, id: TransactionalId) {
    const { own, shared, partition } = id.places
    this.#world = world
    this.#process = process
    this.#broker = broker
    this.#clock = clock
    this.#id = id
    this.view = new ModelView({
      world,
      process,
      broker,
      ...id,
      places: [...[...own, ...shared].map((topic) => `${topic}/${partition}`), OFFSETS],
    })
  }

  offsetsPlace(): Promise<TopicPartition> {
    const { topic, partition } = this.#broker.log(OFFSETS)
    return Promise.resolve({ topic, partition })
  }

  connect(): Promise<void> {
    return Promise.resolve()
  }

  disconnect(): Promise<void> {
    return Promise.resolve()
  }

  adopt(own: ProducerEpoch): void {
    this.#own = own
  }

  begin(): Promise<ClientTransaction> {
    const { producerId, epoch } = this.#own!
    const own = { transactionalId: this.#id.transactionalId, producerId: Number(producerId), epoch }
    const broker = this.#broker
    const added = new Set<string>()
    const add = async (names: readonly string[]): Promise<void> => {
      const wanted = names.filter((name) => !added.has(name))
      if (wanted.length === 0) return
      await this.#call(`AddPartitions ${wanted.join()}`, () => broker.addPartitions(own, wanted))
      for (const name of wanted) added.add(name)
    }
    return Promise.resolve({
      addPartitions: (places) => add(places.map(nameOf)),
      send: async (place, records) => {
        const name = nameOf(place)
        await add([name])
        const first = await this.#retried(`Produce ${name} ${summaryOf(records)}`, () =>
          broker.produce(own, name, records.map(encodeRecord)),
        )
        return BigInt(first)
      },
      sendOffsets: async (groupId, offsets) => {
        await add([OFFSETS])
        const values = offsets.map(({ topic, partition, offset, metadata }) => [
          `${topic}/${partition}`,
          { offset: Number(offset), metadata },
        ])
        const label = `TxnOffsetCommit ${offsets.map(({ offset }) => offset).join()}`
        await this.#call(label, () =>
          broker.commitOffsets(
            own,
            groupId,
            Object.fromEntries(values) as Parameters<ModelBroker['commitOffsets']>[2],
          ),
        )
      },
      commit: async () => {
        if (added.size > 0) await this.#call('EndTxn commit', () => broker.endTransaction(own, 'commit'))
      },
    })
  }

  #call<T>(label: string, execute: () => T): Promise<T> {
    return this.#world.call(this.#process, label, execute)
  }

  async #retried<T>(label: string, execute: () => T): Promise<T> {
    for (let tries = 0; ; tries++) {
      try {
        return await this.#call(label, execute)
      } catch (error) {
        if (!(error instanceof BrokerError && RETRIED.has(error.type)) || tries === RETRIES) throw error
      }
      await pause(this.#clock, RETRY_MS)
    }
  }
}

const summaryOf = (records: readonly OutputRecord[]): string =>
  records.map(({ key }) => key.toString('latin1')).join()
