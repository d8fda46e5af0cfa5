import { isolatedKafka } from '@weir/testkit'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { kafkaClient } from '../client/kafka-client.ts'
import { systemClock } from '../client/clock.ts'
import { TransactionError } from '../client/errors.ts'
import { silentLogger } from '../client/silent-logger.ts'
import { KafkaProxy, type Verdict } from '../testing/kafka-proxy.ts'
import { createTopics, readAll } from '../testing/topics.ts'
import { kafkaTransactions } from './transaction-client.ts'
import { TransactionalProducer } from './transactional-producer.ts'

/**
 * A successor sleeps before any of its requests while another owner is in the middle of a transaction. Regression: with
 * markers based on earlier reads, records of failed transactions became readable and those of committed ones vanished.
 */
const settings = isolatedKafka('sleepers', 1)
const REQUESTS_MAX = 6
/** InitProducerId, WriteTxnMarkers, DescribeProducers, DescribeTransactions. */
const APIS = new Set([22, 27, 61, 65])
let topic = ''
let ids = 0

beforeAll(async () => {
  ;[topic] = (await createTopics(settings, ['out'])) as [string]
})

const open = async (transactionalId: string) => {
  const proxy = await KafkaProxy.start(settings.kafkaBrokers[0]!)
  const producer = new TransactionalProducer({
    openClient: kafkaTransactions(
      kafkaClient({
        settings: { ...settings, kafkaBrokers: proxy.brokers },
        logger: silentLogger,
        clientId: 'weir-test',
      }),
    ),
    clock: systemClock,
    transactionalId,
    transactionTimeoutMs: settings.transactionTimeoutMs,
    logger: silentLogger,
    places: { groupId: `${transactionalId}-group`, partition: 0, own: [topic], shared: [] },
  })
  onTestFinished(async () => {
    await producer.close()
    await proxy.stop()
  })
  return { proxy, producer, write: (value: string) => commit(producer, value) }
}

/** True when the brokers have acknowledged the commit. */
const commit = async (producer: TransactionalProducer, value: string): Promise<boolean> => {
  const record = { topic, partition: 0, key: Buffer.from('k'), value: Buffer.from(value), headers: {} }
  try {
    await producer.commit([record], [])
    return true
  } catch (error) {
    if (error instanceof TransactionError) return false
    throw error
  }
}

/** The commit request is in flight and the records are written. */
const heldCommit = (proxy: KafkaProxy) => {
  const arrived = Promise.withResolvers<undefined>()
  const held = Promise.withResolvers<undefined>()
  proxy.decide = async ({ api }): Promise<Verdict> => {
    if (api === 'endTxn') {
      arrived.resolve(undefined)
      await held.promise
    }
    return 'pass'
  }
  return { arrived: arrived.promise, release: () => held.resolve(undefined) }
}

/** Holds one of the requests about transactions. Resolves to false when there are fewer. */
const sleepBefore = (proxy: KafkaProxy, request: number, fencing: Promise<unknown>) => {
  const asleep = Promise.withResolvers<boolean>()
  const awake = Promise.withResolvers<undefined>()
  let seen = 0
  proxy.decide = async ({ apiKey }): Promise<Verdict> => {
    if (APIS.has(apiKey) && seen++ === request) {
      asleep.resolve(true)
      await awake.promise
    }
    return 'pass'
  }
  void fencing.then(() => asleep.resolve(false))
  return { asleep: asleep.promise, wake: () => awake.resolve(undefined) }
}

const fenceOf = async (producer: TransactionalProducer, begin: Promise<unknown>): Promise<boolean> => {
  await begin
  try {
    await producer.fence()
    return true
  } catch (error) {
    if (error instanceof TransactionError) return false
    throw error
  }
}

const readable = async (): Promise<string[]> =>
  (await readAll(settings, topic)).map(({ value }) => value!.toString())

describe.each(['predecessor', 'second successor'] as const)('while the %s is in a transaction', (who) => {
  it.each(Array.from({ length: REQUESTS_MAX }, (_, i) => i))(
    'a sleep before request %i neither makes a failed transaction readable nor loses a committed one',
    async (request) => {
      const id = `${settings.topicPrefix}s-${ids++}`
      const predecessor = await open(id)
      await predecessor.producer.fence()
      expect(await predecessor.write(`${id} first`)).toBe(true)

      const begin = Promise.withResolvers<undefined>()
      const successor = await open(id)
      const fencing = fenceOf(successor.producer, begin.promise)
      const sleep = sleepBefore(successor.proxy, request, fencing)
      begin.resolve(undefined)
      const sleeps = await sleep.asleep

      const other = who === 'predecessor' ? predecessor : await open(id)
      const hasOther = who === 'predecessor' || (await fenceOf(other.producer, Promise.resolve()))
      const held = heldCommit(other.proxy)
      const writing = hasOther ? other.write(`${id} other`) : Promise.resolve(false)
      await Promise.race([held.arrived, writing])
      sleep.wake()
      const isFenced = await fencing
      held.release()
      const otherCommitted = await writing
      const ownCommitted = isFenced && (await successor.write(`${id} own`))

      const found = (await readable()).filter((value) => value.startsWith(`${id} `))
      const wanted = [`${id} first`, ...(otherCommitted ? [`${id} other`] : [])]
      expect(found.toSorted()).toEqual([...wanted, ...(ownCommitted ? [`${id} own`] : [])].toSorted())
      // Both orders occur: the sleeper is shut out, or shuts out the other.
      if (!sleeps && who === 'predecessor') expect(ownCommitted).toBe(true)
    },
  )
})
