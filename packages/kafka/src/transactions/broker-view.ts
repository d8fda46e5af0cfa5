import { setTimeout as sleep } from 'node:timers/promises'
import { kafkaErrorType } from '../client/kafka-client.ts'
import { StateError } from '../client/errors.ts'
import { protocolErrorType, type Broker, type Cluster } from '../client/kafkajs-internals.ts'
import { leaderOf, partitionsOf, whileClusterAnswers } from '../client/offsets.ts'
import type { KafkaLogger } from '../client/settings.ts'
import * as api from './transaction-apis.ts'
import {
  IMPOSSIBLE_EPOCH,
  type InitResponse,
  type LastTransaction,
  type OpenTransaction,
  type ProducerEpoch,
  type TopicPartition,
  type TransactionView,
} from './transaction-view.ts'
import { OFFSETS_TOPIC, offsetsPartitionOf, type WrittenPlaces } from './written-places.ts'

export interface BrokerViewOptions {
  readonly cluster: Cluster
  readonly transactionalId: string
  /** Must be whole seconds, because a fraction of a second marks a transactional id as shut out. */
  readonly transactionTimeoutMs: number
  readonly places: WrittenPlaces
  readonly logger: KafkaLogger
  /** Once it is aborted, no request is retried. */
  readonly givenUp?: AbortSignal
}

const TRANSACTION_COORDINATOR = 1
const TRANSACTIONAL_ID_NOT_FOUND = 105
const PRODUCER_FENCED = 90
const FENCED = new Set(['INVALID_PRODUCER_EPOCH', 'INVALID_PRODUCER_ID_MAPPING'])
/** A retry fails in the same way. */
const FORBIDDEN = new Set(['TOPIC_AUTHORIZATION_FAILED', 'CLUSTER_AUTHORIZATION_FAILED'])
/** Retry at another broker, or at this one a little later. The rejected request had no effect. */
const MOVED = new Set([
  'GROUP_LOAD_IN_PROGRESS',
  'NOT_COORDINATOR_FOR_GROUP',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'NOT_LEADER_FOR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'UNKNOWN_TOPIC_OR_PARTITION',
])
const MOVED_WAIT_MS = 50
const MOVED_MS_MAX = 3_000
const HOPELESS = new Set(['TRANSACTIONAL_ID_AUTHORIZATION_FAILED', 'INVALID_TRANSACTION_TIMEOUT'])

/** A transactional id as real brokers have it. */
export class BrokerView implements TransactionView {
  readonly #options: BrokerViewOptions
  readonly #forbidden = new Set<string>()
  #coordinatorId: number | undefined

  constructor(options: BrokerViewOptions) {
    if (options.transactionTimeoutMs % 1_000 !== 0) {
      throw new RangeError(`a transaction timeout of ${options.transactionTimeoutMs} ms is not whole seconds`)
    }
    this.#options = options
  }

  canLook(): Promise<boolean> {
    return this.#coordinated((coordinator) => Promise.resolve(api.hasTransactionApis(coordinator)))
  }

  describe(): Promise<LastTransaction | undefined> {
    const { transactionalId } = this.#options
    return this.#coordinated(async (coordinator) => {
      const last = await api.describeTransaction(coordinator, transactionalId)
      if (last.errorCode === TRANSACTIONAL_ID_NOT_FOUND) return undefined
      const error = typeOf(last.errorCode)
      if (error !== undefined) throw protocolError(error)
      return last
    })
  }

  init(timeoutMs = this.#options.transactionTimeoutMs): Promise<InitResponse> {
    const { transactionalId } = this.#options
    return this.#coordinated(async (coordinator): Promise<InitResponse> => {
      try {
        const request = { transactionalId, transactionTimeout: timeoutMs }
        const { producerId, producerEpoch: epoch } = await coordinator.initProducerId(request)
        return { outcome: 'given', producerId, epoch }
      } catch (error) {
        if (kafkaErrorType(error) === 'CONCURRENT_TRANSACTIONS') return { outcome: 'busy' }
        throw error
      }
    })
  }

  async abortOngoing(producerId: string): Promise<void> {
    const { transactionalId, transactionTimeoutMs: timeoutMs } = this.#options
    await this.#coordinated(async (coordinator) => {
      const request = { transactionalId, timeoutMs, producerId, epoch: IMPOSSIBLE_EPOCH }
      const error = typeOf(await api.initExpecting(coordinator, request))
      if (error === 'CONCURRENT_TRANSACTIONS' || (error !== undefined && FENCED.has(error))) return
      throw protocolError(error ?? 'the coordinator accepted an impossible epoch')
    })
  }

  async open(producerId: string, on?: readonly TopicPartition[]): Promise<readonly OpenTransaction[]> {
    const { cluster, transactionalId } = this.#options
    return this.#whereItIs(`open transactions of ${transactionalId}`, async () => {
      const wanted = on ?? (await this.#everywhere())
      try {
        const asked = wanted.filter(({ topic }) => !this.#forbidden.has(topic))
        const responses = await Promise.all(
          [...(await byLeader(cluster, asked))].map(([leader, led]) =>
            api.describeProducers(leader, led, producerId),
          ),
        )
        return responses.flat().flatMap((response) => this.#openOf(response))
      } catch (error) {
        await cluster.refreshMetadata().catch(() => undefined)
        throw error
      }
    })
  }

  async mark(open: OpenTransaction, own: ProducerEpoch, outcome: 'commit' | 'abort') {
    const { cluster, transactionalId } = this.#options
    const { topic, partition, from } = open
    const ending = `ending a transaction of ${transactionalId} on ${topic}/${partition}`
    return this.#whereItIs(ending, async () => {
      const leader = await leaderOf(cluster, topic, partition)
      const error = typeOf(await api.writeMarker(leader, open, own, outcome))
      if (error === undefined) return 'ended'
      if (FENCED.has(error)) return 'refused'
      if (FORBIDDEN.has(error)) {
        throw new StateError(
          `a transaction of ${transactionalId} was never ended on ${topic}/${partition} from offset ${from}: ` +
            `give Weir's user ALTER on the cluster, so that it can end it (${outcome})`,
        )
      }
      await cluster.refreshMetadata().catch(() => undefined)
      throw protocolError(error)
    })
  }

  wait(ms: number): Promise<void> {
    return sleep(ms)
  }

  /** Sends a request to the coordinator, which is looked up again only after a failed request. */
  async #coordinated<T>(ask: (coordinator: Broker) => Promise<T>): Promise<T> {
    const { cluster, transactionalId } = this.#options
    try {
      return await this.#whereItIs(`transactions of ${transactionalId}`, async () => {
        const id = { groupId: transactionalId, coordinatorType: TRANSACTION_COORDINATOR }
        const known = this.#coordinatorId
        this.#coordinatorId = undefined
        const coordinator =
          known === undefined
            ? await cluster.findGroupCoordinator(id)
            : await cluster.findBroker({ nodeId: String(known) })
        const response = await ask(coordinator)
        this.#coordinatorId = coordinator.nodeId
        return response
      })
    } catch (error) {
      if (HOPELESS.has(kafkaErrorType(error))) {
        throw new StateError(`transactions of ${transactionalId}: ${kafkaErrorType(error)}`, { cause: error })
      }
      throw error
    }
  }

  #openOf({ topic, errorCode, value }: api.PartitionResult<readonly OpenTransaction[]>) {
    const error = typeOf(errorCode)
    if (error !== undefined && FORBIDDEN.has(error)) this.#forbid(topic)
    else if (error !== undefined) throw protocolError(error)
    return value
  }

  /** Retries for a while when the leader or the coordinator has moved. Rejects with a `RetriableError` otherwise. */
  async #whereItIs<T>(what: string, ask: () => Promise<T>): Promise<T> {
    const deadline = performance.now() + MOVED_MS_MAX
    for (;;) {
      this.#options.givenUp?.throwIfAborted()
      try {
        return await whileClusterAnswers(what, ask)
      } catch (error) {
        if (!MOVED.has(kafkaErrorType(error)) || performance.now() > deadline) throw error
      }
      await sleep(MOVED_WAIT_MS)
    }
  }

  /** The partition with the group's offsets; undefined without permission to describe it. */
  async offsetsPlace(): Promise<TopicPartition | undefined> {
    const { cluster, places } = this.#options
    await this.#know()
    if (this.#forbidden.has(OFFSETS_TOPIC)) return undefined
    const count = partitionsOf(cluster, OFFSETS_TOPIC).length
    return { topic: OFFSETS_TOPIC, partition: offsetsPartitionOf(places.groupId, count) }
  }

  /** All partitions that this id may write to, from metadata refreshed by this call. */
  async #everywhere(): Promise<readonly TopicPartition[]> {
    const { cluster, places } = this.#options
    await this.#know()
    await whileClusterAnswers('metadata', () => cluster.refreshMetadata())
    const own = places.own.map((topic) => ({ topic, partition: places.partition }))
    const shared = places.shared.flatMap((topic) =>
      partitionsOf(cluster, topic).map((partition) => ({ topic, partition })),
    )
    const offsets = await this.offsetsPlace()
    return [...own, ...shared, ...(offsets ? [offsets] : [])]
  }

  /** Loads the metadata of the written topics; a no-op when they are known. */
  #know(): Promise<void> {
    const { cluster, places } = this.#options
    return whileClusterAnswers('metadata', async () => {
      await cluster.addMultipleTargetTopics([...places.own, ...places.shared])
      if (this.#forbidden.has(OFFSETS_TOPIC)) return
      // One forbidden topic makes a metadata request fail for all topics.
      await cluster.addMultipleTargetTopics([OFFSETS_TOPIC]).catch(async (error: unknown) => {
        const type = kafkaErrorType(error)
        if (FORBIDDEN.has(type)) {
          this.#forbid(OFFSETS_TOPIC)
          return
        }
        if (type !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error
        // Brokers create the topic when a client looks up the first group coordinator.
        await cluster.findGroupCoordinator({ groupId: places.groupId })
        await cluster.addMultipleTargetTopics([OFFSETS_TOPIC])
      })
    })
  }

  /** Logs one warning per topic, not one per partition. */
  #forbid(topic: string): void {
    if (this.#forbidden.has(topic)) return
    this.#forbidden.add(topic)
    const message = "open transactions cannot be looked up: give Weir's user READ on the topic"
    this.#options.logger.warn({ topic }, message)
  }
}

/** The protocol's name of an error. Maps PRODUCER_FENCED, which kafkajs does not know, to the older fence error. */
const typeOf = (errorCode: number): string | undefined => {
  if (errorCode === 0) return undefined
  return errorCode === PRODUCER_FENCED ? 'INVALID_PRODUCER_EPOCH' : protocolErrorType(errorCode)
}

/** An error with a `type`, like those of kafkajs. */
const protocolError = (type: string): Error => Object.assign(new Error(type), { type })

const byLeader = async (
  cluster: Cluster,
  places: readonly TopicPartition[],
): Promise<ReadonlyMap<Broker, readonly api.TopicPartitions[]>> => {
  const leaders = new Map<Broker, TopicPartition[]>()
  for (const place of places) {
    const leader = await leaderOf(cluster, place.topic, place.partition)
    leaders.set(leader, [...(leaders.get(leader) ?? []), place])
  }
  const grouped = [...leaders].map(([leader, led]) => {
    const topics = Map.groupBy(led, ({ topic }) => topic)
    return [
      leader,
      [...topics].map(([topic, of]) => ({ topic, partitions: of.map(({ partition }) => partition) })),
    ] as const
  })
  return new Map(grouped)
}
