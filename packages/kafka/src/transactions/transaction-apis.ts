import { EncoderClass, type Broker, type Decoder, type Encoder } from '../client/kafkajs-internals.ts'
import { sendFlexible, tagged } from '../protocol/flexible-request.ts'
import type { LastTransaction, OpenTransaction, Outcome, ProducerEpoch } from './transaction-view.ts'

/**
 * Requests about transactions that kafkajs does not support (KIP-664, KIP-360), in the flexible encoding:
 * https://kafka.apache.org/protocol#The_Messages_DescribeProducers and its neighbours.
 */

export interface TopicPartitions {
  readonly topic: string
  readonly partitions: readonly number[]
}

/** The result for one partition, with the protocol's error code; 0 for none. */
export interface PartitionResult<T> {
  readonly topic: string
  readonly partition: number
  readonly errorCode: number
  readonly value: T
}

const INIT_PRODUCER_ID = { name: 'InitProducerId', key: 22, version: 4 } as const
const WRITE_TXN_MARKERS = { name: 'WriteTxnMarkers', key: 27, version: 1 } as const
const DESCRIBE_PRODUCERS = { name: 'DescribeProducers', key: 61, version: 0 } as const
const DESCRIBE_TRANSACTIONS = { name: 'DescribeTransactions', key: 65, version: 0 } as const
const APIS = [INIT_PRODUCER_ID, WRITE_TXN_MARKERS, DESCRIBE_PRODUCERS, DESCRIBE_TRANSACTIONS] as const

/** False for brokers before 3.0, which do not support all of these requests. */
export const hasTransactionApis = ({ versions }: Broker): boolean =>
  APIS.every(({ key, version }) => {
    const range = versions?.[key]
    return range !== undefined && range.minVersion <= version && version <= range.maxVersion
  })

const encoder = (): Encoder => new EncoderClass()
const array = (target: Encoder, values: readonly Encoder[]): Encoder =>
  target.writeUVarIntArray(values, 'object')

const list = <T>(decoder: Decoder, read: (decoder: Decoder) => T): T[] =>
  decoder.readUVarIntArray((one) => {
    const value = read(one)
    one.readTaggedFields()
    return value
  }) ?? []

const topicsOf = (topics: readonly TopicPartitions[]): Encoder[] =>
  topics.map(({ topic, partitions }) => {
    const numbers = partitions.map((partition) => encoder().writeInt32(partition))
    return tagged(array(encoder().writeUVarIntString(topic), numbers))
  })

export const describeTransaction = async (
  coordinator: Broker,
  transactionalId: string,
): Promise<LastTransaction & { readonly errorCode: number }> => {
  const [found] = await sendFlexible(
    coordinator,
    DESCRIBE_TRANSACTIONS,
    (start) => array(start, [encoder().writeUVarIntString(transactionalId)]),
    (decoder) => {
      decoder.readInt32()
      return list(decoder, (one) => {
        const errorCode = one.readInt16()
        one.readUVarIntString()
        const state = one.readUVarIntString() as LastTransaction['state']
        const timeoutMs = one.readInt32()
        one.readInt64()
        const producerId = one.readInt64().toString()
        const epoch = one.readInt16()
        list(one, (topic) => [
          topic.readUVarIntString(),
          topic.readUVarIntArray((number) => number.readInt32()),
        ])
        return { errorCode, state, timeoutMs, producerId, epoch }
      })
    },
  )
  return found!
}

/** InitProducerId with an expected epoch. Resolves to the error code. */
export const initExpecting = (
  coordinator: Broker,
  request: { readonly transactionalId: string; readonly timeoutMs: number } & ProducerEpoch,
): Promise<number> =>
  sendFlexible(
    coordinator,
    INIT_PRODUCER_ID,
    (start) =>
      start
        .writeUVarIntString(request.transactionalId)
        .writeInt32(request.timeoutMs)
        .writeInt64(request.producerId)
        .writeInt16(request.epoch),
    (decoder) => {
      decoder.readInt32()
      return decoder.readInt16()
    },
  )

/** The open transactions of one producer id on these partitions, as their leader reports them. */
export const describeProducers = (
  leader: Broker,
  topics: readonly TopicPartitions[],
  producerId: string,
): Promise<readonly PartitionResult<readonly OpenTransaction[]>[]> =>
  sendFlexible(
    leader,
    DESCRIBE_PRODUCERS,
    (start) => array(start, topicsOf(topics)),
    (decoder) => {
      decoder.readInt32()
      return list(decoder, (one) => {
        const topic = one.readUVarIntString()!
        return list(one, (response) => {
          const partition = response.readInt32()
          const errorCode = response.readInt16()
          response.readUVarIntString()
          const producers = list(response, readProducer)
          const value = producers
            .filter((producer) => producer.producerId === producerId && producer.from >= 0n)
            .map(({ epoch, coordinatorEpoch, from }) => ({ topic, partition, epoch, coordinatorEpoch, from }))
          return { topic, partition, errorCode, value }
        })
      }).flat()
    },
  )

const readProducer = (decoder: Decoder) => {
  const producerId = decoder.readInt64().toString()
  const epoch = decoder.readInt32()
  decoder.readInt32()
  decoder.readInt64()
  const coordinatorEpoch = decoder.readInt32()
  /** -1 without an open transaction. */
  const from = BigInt(decoder.readInt64().toString())
  return { producerId, epoch, coordinatorEpoch, from }
}

/** Ends an open transaction on one partition, which its coordinator left open. Resolves to the error code. */
export const writeMarker = async (
  leader: Broker,
  { topic, partition, coordinatorEpoch }: OpenTransaction,
  own: ProducerEpoch,
  outcome: Outcome,
): Promise<number> => {
  const codes = await sendFlexible(
    leader,
    WRITE_TXN_MARKERS,
    (start) => {
      const marker = encoder()
        .writeInt64(own.producerId)
        .writeInt16(own.epoch)
        .writeBoolean(outcome === 'commit')
      array(marker, topicsOf([{ topic, partitions: [partition] }]))
      return array(start, [tagged(marker.writeInt32(Math.max(0, coordinatorEpoch)))])
    },
    (decoder) =>
      list(decoder, (marker) => {
        marker.readInt64()
        return list(marker, (one) => {
          one.readUVarIntString()
          return list(one, (response) => [response.readInt32(), response.readInt16()] as const)
        })
      }),
  )
  return codes[0]![0]![0]![1]
}
