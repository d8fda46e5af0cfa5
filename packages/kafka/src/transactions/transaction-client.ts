import type { Kafka } from 'kafkajs'
import { BrokerView } from './broker-view.ts'
import { addPartitions, adoptEpoch, clusterOf } from '../client/kafkajs-internals.ts'
import { acknowledgement, explicitPartition, messageOf } from '../produce/kafkajs-message.ts'
import type { OutputRecord } from '../protocol/record.ts'
import type { KafkaLogger } from '../client/settings.ts'
import type { ProducerEpoch, TopicPartition, TransactionView } from './transaction-view.ts'
import type { WrittenPlaces } from './written-places.ts'

export interface OffsetToCommit {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly metadata: string
}

export interface TransactionalId {
  readonly transactionalId: string
  readonly transactionTimeoutMs: number
  readonly places: WrittenPlaces
  readonly logger: KafkaLogger
}

/** A connection for one transactional id, to real brokers or a model. It never aborts a transaction. */
export interface TransactionClient {
  readonly view: TransactionView
  /** Where the group's offsets are written; undefined without permission to see it. */
  offsetsPlace(): Promise<TopicPartition | undefined>
  connect(): Promise<void>
  disconnect(): Promise<void>
  /** Uses this epoch instead of requesting one. */
  adopt(own: ProducerEpoch): void
  begin(): Promise<ClientTransaction>
}

/** Its requests reject with the brokers' error (`kafkaErrorType`) or a connection error. */
export interface ClientTransaction {
  /** Registers all partitions that will be written to with the coordinator, once. */
  addPartitions(places: readonly TopicPartition[]): Promise<void>
  /** Resolves to the offset of the first record. */
  send(place: TopicPartition, records: readonly OutputRecord[]): Promise<bigint>
  sendOffsets(groupId: string, offsets: readonly OffsetToCommit[]): Promise<void>
  commit(): Promise<void>
}

/** Failed requests are not retried once `givenUp` is aborted. */
export type OpenTransactionClient = (id: TransactionalId, givenUp: AbortSignal) => TransactionClient

/** Do not share `kafka` with consumers: kafkajs records offsets as committed before their transaction commits. */
export const kafkaTransactions =
  (kafka: Kafka): OpenTransactionClient =>
  (id, givenUp) => {
    const producer = kafka.producer({
      transactionalId: id.transactionalId,
      transactionTimeout: id.transactionTimeoutMs,
      allowAutoTopicCreation: false,
      createPartitioner: () => explicitPartition,
    })
    const view = new BrokerView({ ...id, givenUp, cluster: clusterOf(producer) })
    return {
      view,
      offsetsPlace: () => view.offsetsPlace(),
      connect: () => producer.connect(),
      disconnect: () => producer.disconnect(),
      adopt: (own) => adoptEpoch(producer, own),
      begin: async () => {
        const transaction = await producer.transaction()
        return {
          addPartitions: (places) => {
            const topics = [...Map.groupBy(places, ({ topic }) => topic)]
            return addPartitions(
              transaction,
              topics.map(([topic, partitions]) => ({ topic, partitions })),
            )
          },
          send: async ({ topic, partition }, records) => {
            const messages = records.map((record) => messageOf(record, partition))
            const results = await transaction.send({ topic, acks: -1, messages })
            return BigInt(acknowledgement(results, topic, partition).baseOffset!)
          },
          sendOffsets: (consumerGroupId, offsets) => {
            const topics = offsets.map(({ topic, partition, offset, metadata }) => ({
              topic,
              partitions: [{ partition, offset: String(offset), metadata }],
            }))
            return transaction.sendOffsets({ consumerGroupId, topics })
          },
          commit: () => transaction.commit(),
        }
      },
    }
  }
