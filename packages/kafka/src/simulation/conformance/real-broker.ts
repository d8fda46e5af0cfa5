import { setTimeout as sleep } from 'node:timers/promises'
import { kafkaErrorType } from '../../client/kafka-client.ts'
import { fetchRecords } from '../../read/fetch-records.ts'
import {
  DecoderClass,
  EncoderClass,
  protocolErrorType,
  type Broker,
  type Decoder,
  type Encoder,
} from '../../client/kafkajs-internals.ts'
import type { Answer, BrokerUnderTest, Given } from './conformance.ts'
import type { Outcome } from '../model/model-log.ts'

/** Error codes that kafkajs does not know. */
const NAMES: Readonly<Record<number, string>> = { 90: 'PRODUCER_FENCED', 105: 'TRANSACTIONAL_ID_NOT_FOUND' }
const BUSY = new Set([
  'NOT_COORDINATOR_FOR_GROUP',
  'GROUP_LOAD_IN_PROGRESS',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'NOT_LEADER_FOR_PARTITION',
])
const REST_MS = 10
const STUCK_MS = 3_000
const FETCH = { waitMsMax: 1, bytesMax: 1_000_000 }

/** kafkajs requests whose ids have kafkajs' own `Long` type. */
interface TransactionRequests {
  addPartitionsToTxn(request: object): Promise<unknown>
  addOffsetsToTxn(request: object): Promise<unknown>
  txnOffsetCommit(request: object): Promise<unknown>
  endTxn(request: object): Promise<unknown>
  produce(request: object): Promise<{ topics: { partitions: { baseOffset: string }[] }[] }>
}

export interface RealBrokerOptions {
  /** Leads all partitions and is the only coordinator. */
  readonly broker: Broker
  readonly topic: string
  readonly partitions: number
  readonly transactionalId: string
  readonly groupId: string
  /** The partition of `__consumer_offsets` with the group's offsets. */
  readonly offsetsPartitions: number
}

/** Sends the requests of a script with its own code, independent of the product. */
export const realBroker = (options: RealBrokerOptions): BrokerUnderTest => {
  const { broker, topic, transactionalId, groupId } = options
  const requests = broker as unknown as TransactionRequests
  /** True when the coordinator gave up ending a transaction because a partition rejected its marker. */
  let isStuck = false
  const producerIds = new Set<number>()
  const sequences = new Map<string, number>()
  const offsetsPartition = javaHash(groupId) % options.offsetsPartitions
  const describe = () =>
    ask(broker, DESCRIBE_TRANSACTIONS, (start) => array(start, [string(transactionalId)]), readTransaction)
  const idOf = ({ producerId, epoch }: Given) => ({
    transactionalId,
    producerId: String(producerId),
    producerEpoch: epoch,
  })
  return {
    init: async (timeoutMs, expected = { producerId: -1, epoch: -1 }) => {
      const body = (start: Encoder): Encoder => {
        start.writeUVarIntString(transactionalId).writeInt32(timeoutMs)
        return start.writeInt64(String(expected.producerId)).writeInt16(expected.epoch)
      }
      const response = await whenAvailable(() => ask(broker, INIT_PRODUCER_ID, body, readGiven))
      if ('value' in response) producerIds.add(response.value.producerId)
      return response
    },
    add: (own, partition) =>
      responseOf(requests.addPartitionsToTxn({ ...idOf(own), topics: [{ topic, partitions: [partition] }] })),
    addOffsets: (own) => responseOf(requests.addOffsetsToTxn({ ...idOf(own), groupId })),
    produce: async (own, partition, value) => {
      const key = `${own.producerId} ${own.epoch} ${partition}`
      const firstSequence = sequences.get(key) ?? 0
      const messages = [{ key: null, value: Buffer.from(value), headers: {} }]
      const topicData = [{ topic, partitions: [{ partition, firstSequence, messages }] }]
      // A new leader may not know of its role yet.
      const response = await whenAvailable(() =>
        responseOf(requests.produce({ ...idOf(own), acks: -1, topicData }), ({ topics }) =>
          Number(topics[0]!.partitions[0]!.baseOffset),
        ),
      )
      if ('value' in response) sequences.set(key, firstSequence + 1)
      return response
    },
    commitOffsets: (own, offset) => {
      const partitions = [{ partition: 0, offset: String(offset), metadata: '' }]
      return responseOf(requests.txnOffsetCommit({ ...idOf(own), groupId, topics: [{ topic, partitions }] }))
    },
    end: (own, outcome) =>
      responseOf(requests.endTxn({ ...idOf(own), transactionResult: outcome === 'commit' })),
    marker: (own, partition, outcome) => writeMarker(broker, own, { topic, partition }, outcome),
    rest: async (isTimedOut) => {
      for (const startedAt = performance.now(); ;) {
        const { state } = await describe()
        if (!state.startsWith('Prepare')) {
          isStuck = false
          if (!(isTimedOut && state === 'Ongoing')) return
        } else if (isStuck || performance.now() - startedAt > STUCK_MS) {
          isStuck = true
          return
        }
        await sleep(REST_MS)
      }
    },
    observe: async () => ({
      transaction: await describe().then(({ state, epoch }) => ({ state, epoch })),
      partitions: await Promise.all(
        Array.from({ length: options.partitions }, async (_, partition) => ({
          producers: await producersOf(broker, topic, partition, producerIds),
          ends: await ends(broker, topic, partition),
          readable: await readable(broker, topic, partition),
        })),
      ),
      offsets: await producersOf(broker, '__consumer_offsets', offsetsPartition, producerIds),
      committed: await committed(broker, groupId, topic),
    }),
  }
}

const INIT_PRODUCER_ID = { apiName: 'InitProducerId', apiKey: 22, apiVersion: 4 }
const WRITE_TXN_MARKERS = { apiName: 'WriteTxnMarkers', apiKey: 27, apiVersion: 1 }
const DESCRIBE_PRODUCERS = { apiName: 'DescribeProducers', apiKey: 61, apiVersion: 0 }
const DESCRIBE_TRANSACTIONS = { apiName: 'DescribeTransactions', apiKey: 65, apiVersion: 0 }

const tagged = (fields: Encoder): Encoder => fields.writeUVarInt(0)
const array = (target: Encoder, values: readonly Encoder[]): Encoder =>
  target.writeUVarIntArray(values, 'object')
const string = (value: string): Encoder => new EncoderClass().writeUVarIntString(value)
const topicWith = (topic: string, partition: number): Encoder =>
  tagged(array(string(topic), [new EncoderClass().writeInt32(partition)]))
const list = <T>(decoder: Decoder, read: (decoder: Decoder) => T): T[] =>
  decoder.readUVarIntArray((one) => {
    const value = read(one)
    one.readTaggedFields()
    return value
  }) ?? []

const ask = <T>(
  broker: Broker,
  api: { readonly apiName: string; readonly apiKey: number; readonly apiVersion: number },
  body: (start: Encoder) => Encoder,
  read: (decoder: Decoder) => T,
): Promise<T> =>
  broker.connectionPool.send({
    request: { ...api, encode: () => Promise.resolve(tagged(body(tagged(new EncoderClass())))) },
    response: {
      decode: (bytes) => {
        const decoder = new DecoderClass(bytes)
        decoder.readTaggedFields()
        return Promise.resolve(read(decoder))
      },
      parse: (data) => Promise.resolve(data),
    },
  })

const nameOf = (code: number): string => NAMES[code] ?? protocolErrorType(code)

const readGiven = (decoder: Decoder): Answer<Given> => {
  decoder.readInt32()
  const code = decoder.readInt16()
  const value = { producerId: Number(decoder.readInt64().toString()), epoch: decoder.readInt16() }
  return code === 0 ? { value } : { error: nameOf(code) }
}

const readTransaction = (decoder: Decoder): { readonly state: string; readonly epoch: number } => {
  decoder.readInt32()
  const [found] = list(decoder, (one) => {
    const code = one.readInt16()
    one.readUVarIntString()
    const state = one.readUVarIntString()!
    one.readInt32()
    one.readInt64()
    one.readInt64()
    const epoch = one.readInt16()
    list(one, (topic) => [topic.readUVarIntString(), topic.readUVarIntArray((number) => number.readInt32())])
    return code === 0 ? { state, epoch } : { state: nameOf(code), epoch: -1 }
  })
  return found!
}

const writeMarker = (
  broker: Broker,
  { producerId, epoch }: Given,
  { topic, partition }: { readonly topic: string; readonly partition: number },
  outcome: Outcome,
): Promise<Answer> =>
  ask(
    broker,
    WRITE_TXN_MARKERS,
    (start) => {
      const marker = new EncoderClass().writeInt64(String(producerId)).writeInt16(epoch)
      array(marker.writeBoolean(outcome === 'commit'), [topicWith(topic, partition)])
      return array(start, [tagged(marker.writeInt32(COORDINATOR_EPOCH))])
    },
    (decoder) => {
      const codes = list(decoder, (marker) => {
        marker.readInt64()
        return list(marker, (one) => {
          one.readUVarIntString()
          return list(one, (response) => [response.readInt32(), response.readInt16()] as const)
        })
      })
      const code = codes[0]![0]![0]![1]
      return code === 0 ? { value: undefined } : { error: nameOf(code) }
    },
  )

/**
 * The coordinator's current epoch. After a marker with a newer one, partitions would reject the coordinator's markers.
 */
const COORDINATOR_EPOCH = 0

/**
 * Limited to these producer ids, because other transactions also write to `__consumer_offsets` and its log start
 * varies.
 */
const producersOf = (
  broker: Broker,
  topic: string,
  partition: number,
  ids: ReadonlySet<number>,
): Promise<unknown> =>
  ask(
    broker,
    DESCRIBE_PRODUCERS,
    (start) => array(start, [topicWith(topic, partition)]),
    (decoder) => {
      decoder.readInt32()
      const [[found]] = list(decoder, (one) => {
        one.readUVarIntString()
        return list(one, (response) => {
          response.readInt32()
          response.readInt16()
          response.readUVarIntString()
          return list(response, readProducer)
        })
      }) as [[ReturnType<typeof readProducer>[]]]
      return found.filter(({ id }) => ids.has(id)).map(({ epoch, from }) => ({ epoch, isOpen: from >= 0 }))
    },
  )

const readProducer = (
  decoder: Decoder,
): { readonly id: number; readonly epoch: number; readonly from: number } => {
  const id = Number(decoder.readInt64().toString())
  const epoch = decoder.readInt32()
  decoder.readInt32()
  decoder.readInt64()
  decoder.readInt32()
  return { id, epoch, from: Number(decoder.readInt64().toString()) }
}

const readable = async (broker: Broker, topic: string, partition: number): Promise<readonly string[]> => {
  const values: string[] = []
  for (let offset = 0n; ;) {
    const [found] = await fetchRecords(
      broker,
      [{ topic, partition, offset, maxBytes: FETCH.bytesMax }],
      FETCH,
    )
    values.push(...found!.records.map(({ value }) => value!.toString()))
    if (found!.nextOffset === offset) return values
    offset = found!.nextOffset
  }
}

/** The end of the log, and the last stable offset. */
const ends = (broker: Broker, topic: string, partition: number): Promise<readonly unknown[]> => {
  const topics = [{ topic, partitions: [{ partition, timestamp: '-1' }] }]
  const asked = [0, 1].map(async (isolationLevel) => {
    const response = await whenAvailable(() =>
      responseOf(broker.listOffsets({ isolationLevel, topics }), ({ responses }) =>
        Number(responses[0]!.partitions[0]!.offset),
      ),
    )
    return 'value' in response ? response.value : response.error
  })
  return Promise.all(asked)
}

const committed = async (broker: Broker, groupId: string, topic: string): Promise<number> => {
  const { responses } = await broker.offsetFetch({
    groupId,
    topics: [{ topic, partitions: [{ partition: 0 }] }],
  })
  return Number(responses[0]!.partitions[0]!.offset)
}

const responseOf = async <T, R = undefined>(sent: Promise<T>, read?: (value: T) => R): Promise<Answer<R>> => {
  try {
    const value = await sent
    return { value: read?.(value) as R }
  } catch (error) {
    return { error: kafkaErrorType(error) }
  }
}

const whenAvailable = async <T>(send: () => Promise<Answer<T>>): Promise<Answer<T>> => {
  for (;;) {
    const response = await send()
    if (!('error' in response && BUSY.has(response.error))) return response
    await sleep(REST_MS)
  }
}

/** `String.hashCode`, made non-negative as in Kafka. */
const javaHash = (text: string): number => {
  let hash = 0
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0
  return Math.abs(hash)
}
