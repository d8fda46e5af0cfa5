import { DecoderClass, EncoderClass, type Broker, type Decoder, type Encoder } from './internals.ts'

/**
 * Requests about transactions that kafkajs does not have (KIP-664), in the encoding with compact lengths and tagged
 * fields: https://kafka.apache.org/protocol#The_Messages_DescribeProducers and the like.
 */

export interface TopicPartitions {
  readonly topic: string
  readonly partitions: readonly number[]
}

/** What a partition's leader knows of one producer. */
export interface ProducerState {
  readonly topic: string
  readonly partition: number
  readonly producerId: string
  readonly producerEpoch: number
  readonly coordinatorEpoch: number
  /** Where its open transaction begins there; undefined: it has none. */
  readonly openFrom: bigint | undefined
}

/** One partition's answer, with the protocol's error code; 0 for none. */
export interface Answer<T> {
  readonly topic: string
  readonly partition: number
  readonly errorCode: number
  readonly value: T
}

const WRITE_TXN_MARKERS = { name: 'WriteTxnMarkers', key: 27, version: 1 } as const
const DESCRIBE_PRODUCERS = { name: 'DescribeProducers', key: 61, version: 0 } as const
const DESCRIBE_TRANSACTIONS = { name: 'DescribeTransactions', key: 65, version: 0 } as const

/** False: an older broker (before 2.8), which has not all of these requests. */
export const hasTransactionApis = ({ versions }: Broker): boolean =>
  [WRITE_TXN_MARKERS, DESCRIBE_PRODUCERS, DESCRIBE_TRANSACTIONS].every(({ key, version }) => {
    const range = versions?.[key]
    return range !== undefined && range.minVersion <= version && version <= range.maxVersion
  })

const encoder = (): Encoder => new EncoderClass()
const tagged = (fields: Encoder): Encoder => fields.writeUVarInt(0)
const array = (target: Encoder, values: readonly Encoder[]): Encoder =>
  target.writeUVarIntArray(values, 'object')
/** Sends a request in the encoding with compact lengths and tagged fields. */
export const ask = <T>(
  broker: Broker,
  { name, key, version }: { readonly name: string; readonly key: number; readonly version: number },
  body: (start: Encoder) => Encoder,
  read: (decoder: Decoder) => T,
): Promise<T> =>
  broker.connectionPool.send({
    request: {
      ...{ apiName: name, apiKey: key, apiVersion: version },
      // The header's tagged fields come first, of which kafkajs does not know; so do the answer's.
      encode: () => Promise.resolve(tagged(body(tagged(encoder())))),
    },
    response: {
      decode: (bytes) => {
        const decoder = new DecoderClass(bytes)
        decoder.readTaggedFields()
        return Promise.resolve(read(decoder))
      },
      parse: (data) => Promise.resolve(data),
    },
  })

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

/** What a coordinator knows of a transactional id. */
export interface TransactionState {
  /** The protocol's error code, 0 for none. */
  readonly errorCode: number
  readonly producerId: string
  readonly state:
    | 'Empty'
    | 'Ongoing'
    | 'PrepareCommit'
    | 'PrepareAbort'
    | 'CompleteCommit'
    | 'CompleteAbort'
    | 'Dead'
    | 'PrepareEpochFence'
}

export const describeTransaction = async (
  coordinator: Broker,
  transactionalId: string,
): Promise<TransactionState> => {
  const [found] = await ask(
    coordinator,
    DESCRIBE_TRANSACTIONS,
    (start) => array(start, [encoder().writeUVarIntString(transactionalId)]),
    (decoder) => {
      decoder.readInt32()
      return list(decoder, (one) => {
        const errorCode = one.readInt16()
        one.readUVarIntString()
        const state = one.readUVarIntString() as TransactionState['state']
        one.readInt32()
        one.readInt64()
        const producerId = one.readInt64().toString()
        one.readInt16()
        list(one, (topic) => [
          topic.readUVarIntString(),
          topic.readUVarIntArray((number) => number.readInt32()),
        ])
        return { errorCode, state, producerId }
      })
    },
  )
  return found!
}

/** Every producer that the leader of these partitions knows. */
export const describeProducers = (
  leader: Broker,
  topics: readonly TopicPartitions[],
): Promise<readonly Answer<readonly ProducerState[]>[]> =>
  ask(
    leader,
    DESCRIBE_PRODUCERS,
    (start) => array(start, topicsOf(topics)),
    (decoder) => {
      decoder.readInt32()
      return list(decoder, (one) => {
        const topic = one.readUVarIntString()!
        return list(one, (answer) => {
          const partition = answer.readInt32()
          const errorCode = answer.readInt16()
          answer.readUVarIntString()
          const value = list(answer, (state) => readProducer(state, topic, partition))
          return { topic, partition, errorCode, value }
        })
      }).flat()
    },
  )

const readProducer = (decoder: Decoder, topic: string, partition: number): ProducerState => {
  const producerId = decoder.readInt64().toString()
  const producerEpoch = decoder.readInt32()
  decoder.readInt32()
  decoder.readInt64()
  const coordinatorEpoch = decoder.readInt32()
  const openFrom = BigInt(decoder.readInt64().toString())
  return {
    ...{ topic, partition, producerId, producerEpoch, coordinatorEpoch },
    openFrom: openFrom < 0n ? undefined : openFrom,
  }
}

export type Outcome = 'commit' | 'abort'

/** Ends a producer's open transaction on one partition, as its coordinator should have. Resolves to the error code. */
export const endOn = async (leader: Broker, state: ProducerState, outcome: Outcome): Promise<number> => {
  const { topic, partition, producerId, producerEpoch, coordinatorEpoch } = state
  const codes = await ask(
    leader,
    WRITE_TXN_MARKERS,
    (start) => {
      const marker = encoder()
        .writeInt64(producerId)
        .writeInt16(producerEpoch)
        .writeBoolean(outcome === 'commit')
      array(marker, topicsOf([{ topic, partitions: [partition] }]))
      return array(start, [tagged(marker.writeInt32(Math.max(0, coordinatorEpoch)))])
    },
    (decoder) =>
      list(decoder, (marker) => {
        marker.readInt64()
        return list(marker, (one) => {
          one.readUVarIntString()
          return list(one, (answer) => [answer.readInt32(), answer.readInt16()] as const)
        })
      }),
  )
  return codes[0]?.[0]?.[0]?.[1] ?? 0
}
