import { RetriableError, StateError } from './errors.ts'
import { protocolErrorType, type Cluster } from './internals.ts'
import { leaderOf, partitionsOf, whileClusterAnswers } from './offsets.ts'
import type { KafkaLogger } from './settings.ts'
import {
  abortOn,
  describeProducers,
  describeTransaction,
  hasTransactionApis,
  type ProducerState,
} from './transaction-apis.ts'

export interface UnendedOptions {
  readonly cluster: Cluster
  readonly transactionalId: string
  /** All that this id ever writes to. */
  readonly topics: readonly string[]
  readonly logger: KafkaLogger
}

const TRANSACTION_COORDINATOR = 1
/** Asking again gives the same. */
const FORBIDDEN = new Set(['TOPIC_AUTHORIZATION_FAILED', 'CLUSTER_AUTHORIZATION_FAILED'])

/**
 * Ends what the brokers have left open of earlier transactions of this id. To be called after the fence and before
 * anything is written: whatever is open then was given up by its coordinator, which believes that it has ended it. A
 * coordinator of Kafka 4 leaves a partition's marker out while that partition has no leader (seen with 4.3.1 after
 * the kill of all its replicas); readers stand still there, and the next commit of the same id would make the aborted
 * records readable. Rejects with a `StateError` when it may not end them.
 */
export const abortUnended = async (options: UnendedOptions): Promise<void> => {
  const { cluster, logger, transactionalId } = options
  for (const state of await unendedTransactions(options)) {
    const { topic, partition, openFrom } = state
    const leader = await leaderOf(cluster, topic, partition)
    const code = await whileClusterAnswers('ending a transaction', () => abortOn(leader, state))
    const error = protocolErrorType(code)
    if (FORBIDDEN.has(error)) {
      throw new StateError(
        `a transaction of ${transactionalId} was never ended on ${topic}/${partition} from offset ${openFrom!}, and ` +
          `ending it needs ALTER on the cluster: give it, or run kafka-transactions.sh abort --topic ${topic} ` +
          `--partition ${partition} --start-offset ${openFrom!}`,
      )
    }
    if (code !== 0) throw new RetriableError(`ending a transaction on ${topic}/${partition}: ${error}`)
    const fields = { transactionalId, topic, partition, offset: String(openFrom) }
    logger.warn(fields, 'a transaction that the brokers had not ended was aborted')
  }
}

/** The open transactions of the producer that has this id. */
export const unendedTransactions = async (options: UnendedOptions): Promise<readonly ProducerState[]> => {
  const { cluster, transactionalId, topics, logger } = options
  if (topics.length === 0) return []
  return whileClusterAnswers(`transactions of ${transactionalId}`, async () => {
    const coordinator = await cluster.findGroupCoordinator({
      groupId: transactionalId,
      coordinatorType: TRANSACTION_COORDINATOR,
    })
    if (!hasTransactionApis(coordinator)) return []
    const { errorCode, producerId } = await describeTransaction(coordinator, transactionalId)
    if (errorCode !== 0) throw new RetriableError(protocolErrorType(errorCode))
    const found: ProducerState[] = []
    for (const [nodeId, led] of await byLeader(cluster, topics)) {
      for (const answer of await describeProducers(await cluster.findBroker({ nodeId }), led)) {
        const { topic, partition, value } = answer
        const error = protocolErrorType(answer.errorCode)
        if (FORBIDDEN.has(error)) {
          logger.warn({ topic }, 'unended transactions cannot be looked for: that needs READ on the topic')
        } else if (answer.errorCode !== 0) {
          await cluster.refreshMetadata()
          throw new RetriableError(`${topic}/${partition}: ${error}`)
        }
        found.push(...value.filter((one) => one.producerId === producerId && one.openFrom !== undefined))
      }
    }
    return found
  })
}

const byLeader = async (cluster: Cluster, topics: readonly string[]) => {
  await cluster.addMultipleTargetTopics(topics)
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
