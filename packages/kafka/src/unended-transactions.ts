import { setTimeout as sleep } from 'node:timers/promises'
import { kafkaErrorType } from './client.ts'
import { RetriableError, StateError } from './errors.ts'
import { protocolErrorType, type Cluster } from './internals.ts'
import { leaderOf, partitionsOf, whileClusterAnswers } from './offsets.ts'
import type { KafkaLogger } from './settings.ts'
import type { StepHook } from './stage-options.ts'
import {
  describeProducers,
  describeTransaction,
  endOn,
  hasTransactionApis,
  type Outcome,
  type ProducerState,
  type TransactionState,
} from './transaction-apis.ts'

export interface UnendedOptions {
  readonly cluster: Cluster
  readonly transactionalId: string
  /** All that this id ever writes to, but for offsets. */
  readonly topics: readonly string[]
  readonly logger: KafkaLogger
  readonly signal?: AbortSignal
  readonly onStep?: StepHook | undefined
}

const TRANSACTION_COORDINATOR = 1
const TRANSACTIONAL_ID_NOT_FOUND = 105
const OFFSETS_TOPIC = '__consumer_offsets'
const LOOK_MS = 200
/** Asking again gives the same. */
const FORBIDDEN = new Set(['TOPIC_AUTHORIZATION_FAILED', 'CLUSTER_AUTHORIZATION_FAILED'])

/**
 * What brokers leave open. A coordinator of Kafka 4 leaves the marker of a partition out while that partition has no
 * leader, and still calls the transaction complete (seen with 4.3.1, whenever all replicas of a partition are killed).
 * Readers then stand still there, and the next marker of the same id decides about both transactions: aborted records
 * become readable, or the records of a committed one vanish.
 *
 * So what is open is ended as its own coordinator had decided, and that is known at two moments only:
 * - before the fence, when the coordinator says that the last transaction is complete: as it says;
 * - after the fence: as aborted. What was committed was ended before, since nobody fences without looking first.
 */
export class UnendedTransactions {
  readonly #options: UnendedOptions
  readonly #forbidden = new Set<string>()

  constructor(options: UnendedOptions) {
    this.#options = options
  }

  /** To be called before the fence. Waits for a decision that is under way. */
  async endDecided(): Promise<void> {
    for (;;) {
      this.#options.signal?.throwIfAborted()
      const last = await this.#last()
      this.#options.onStep?.('decision-read', [])
      if (last?.state === 'CompleteCommit') return this.#end(last, 'commit')
      if (last?.state === 'CompleteAbort') return this.#end(last, 'abort')
      if (!last?.state.startsWith('Prepare')) return
      await sleep(LOOK_MS)
    }
  }

  /** To be called after the fence, and before anything is written. */
  async abortRest(): Promise<void> {
    const last = await this.#last()
    if (last !== undefined) await this.#end(last, 'abort')
  }

  /** undefined: there was none, or the brokers are older than 2.8 and cannot tell. */
  #last(): Promise<TransactionState | undefined> {
    const { cluster, transactionalId } = this.#options
    return whileClusterAnswers(`transactions of ${transactionalId}`, async () => {
      const id = { groupId: transactionalId, coordinatorType: TRANSACTION_COORDINATOR }
      const coordinator = await cluster.findGroupCoordinator(id)
      if (!hasTransactionApis(coordinator)) return undefined
      const found = await describeTransaction(coordinator, transactionalId)
      if (found.errorCode === TRANSACTIONAL_ID_NOT_FOUND) return undefined
      if (found.errorCode !== 0) throw new RetriableError(protocolErrorType(found.errorCode))
      return found
    })
  }

  async #end({ producerId }: TransactionState, outcome: Outcome): Promise<void> {
    const { cluster, logger, transactionalId } = this.#options
    const open = await this.#open(producerId)
    this.#options.onStep?.('open-listed', [])
    for (const state of open) {
      const { topic, partition, openFrom } = state
      const code = await whileClusterAnswers('ending a transaction', async () =>
        endOn(await leaderOf(cluster, topic, partition), state, outcome),
      )
      const error = protocolErrorType(code)
      if (FORBIDDEN.has(error)) {
        throw new StateError(
          `a transaction of ${transactionalId} was never ended on ${topic}/${partition} from offset ${openFrom!}: ` +
            `to end it (${outcome}) takes ALTER on the cluster`,
        )
      }
      if (code !== 0) throw new RetriableError(`ending a transaction on ${topic}/${partition}: ${error}`)
      const fields = { transactionalId, topic, partition, offset: String(openFrom), outcome }
      logger.warn(fields, 'a transaction that the brokers had not ended was ended')
    }
  }

  #open(producerId: string): Promise<readonly ProducerState[]> {
    const { cluster, transactionalId } = this.#options
    return whileClusterAnswers(`open transactions of ${transactionalId}`, async () => {
      const found: ProducerState[] = []
      for (const [nodeId, led] of await byLeader(cluster, await this.#visible())) {
        const leader = await cluster.findBroker({ nodeId })
        for (const { topic, partition, errorCode, value } of await describeProducers(leader, led)) {
          const error = protocolErrorType(errorCode)
          if (FORBIDDEN.has(error)) this.#warnOf(topic)
          else if (errorCode !== 0) {
            await cluster.refreshMetadata()
            throw new RetriableError(`${topic}/${partition}: ${error}`)
          }
          found.push(...value.filter((one) => one.producerId === producerId && one.openFrom !== undefined))
        }
      }
      return found
    })
  }

  /** Metadata are refused as a whole for one topic that may not be seen. */
  async #visible(): Promise<readonly string[]> {
    const { cluster, topics } = this.#options
    await cluster.addMultipleTargetTopics(topics)
    try {
      await cluster.addMultipleTargetTopics([OFFSETS_TOPIC])
    } catch (error) {
      if (!FORBIDDEN.has(kafkaErrorType(error))) throw error
      this.#warnOf(OFFSETS_TOPIC)
      return topics
    }
    return [...topics, OFFSETS_TOPIC]
  }

  /** Once for each topic, however many partitions it has. */
  #warnOf(topic: string): void {
    if (this.#forbidden.has(topic)) return
    this.#forbidden.add(topic)
    const message = 'unended transactions cannot be looked for: that takes READ on the topic'
    this.#options.logger.warn({ topic }, message)
  }
}

const byLeader = async (cluster: Cluster, topics: readonly string[]) => {
  const leaders = new Map<string, Map<string, number[]>>()
  for (const topic of topics) {
    for (const partition of partitionsOf(cluster, topic)) {
      const nodeId = String((await leaderOf(cluster, topic, partition)).nodeId)
      const led = leaders.get(nodeId) ?? new Map<string, number[]>()
      led.set(topic, [...(led.get(topic) ?? []), partition])
      leaders.set(nodeId, led)
    }
  }
  return [...leaders].map(
    ([nodeId, led]) => [nodeId, [...led].map(([topic, partitions]) => ({ topic, partitions }))] as const,
  )
}
