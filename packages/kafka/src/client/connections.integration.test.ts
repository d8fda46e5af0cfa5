import { isolatedKafka } from '@weir/testkit'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { kafkaCluster } from './kafka-client.ts'
import { fetchRecords } from '../read/fetch-records.ts'
import { disconnectNow, type Cluster } from './kafkajs-internals.ts'
import { leaderOf, logRange } from './offsets.ts'
import { silentLogger } from './silent-logger.ts'
import { numbersOn, NumberWriter } from '../testing/copy-processor.ts'
import { KafkaProxy } from '../testing/kafka-proxy.ts'
import { createTopics } from '../testing/topics.ts'

/** Breaks connections of a cluster, or makes them dead. */
const settings = isolatedKafka('connections', 1)
const REQUEST_MS = 1_000
let tests = 0
let topic = ''
let proxy: KafkaProxy
let cluster: Cluster

const fetchAll = async (): Promise<number> => {
  const broker = await leaderOf(cluster, topic, 0)
  const request = { topic, partition: 0, offset: 0n, maxBytes: 1_000_000 }
  const [fetched] = await fetchRecords(broker, [request], { waitMsMax: 100, bytesMax: 1_000_000 })
  return fetched!.records.length
}

beforeEach(async () => {
  tests += 1
  topic = (await createTopics(settings, [`topic-${tests}`]))[0]!
  const writer = new NumberWriter(settings, topic)
  await writer.write(20, 10_000)
  await writer.close()
  expect(await numbersOn(settings, topic)).toHaveLength(20)
  proxy = await KafkaProxy.start(settings.kafkaBrokers[0]!)
  cluster = kafkaCluster({
    settings: { ...settings, kafkaBrokers: proxy.brokers },
    logger: silentLogger,
    clientId: 'weir-test',
    requestTimeoutMs: REQUEST_MS,
  })
  await cluster.connect()
  await cluster.addMultipleTargetTopics([topic])
  expect(await fetchAll()).toBe(20)
})

afterEach(async () => {
  await disconnectNow(cluster)
  await proxy.stop()
})

describe('a connection', () => {
  it('that breaks is opened again for the next request', async () => {
    proxy.script('fetch', ['break-before'])
    await expect(fetchAll()).rejects.toThrow('Closed connection')
    expect(await fetchAll()).toBe(20)
  })

  // Regression: the rest of the old response was read as the beginning of the next, so every later response was
  // unreadable.
  it('that breaks within a response passes none of its bytes to the next connection', async () => {
    proxy.script('fetch', ['break-within'])
    await expect(fetchAll()).rejects.toThrow('Closed connection')
    expect(await fetchAll()).toBe(20)
    expect(await fetchAll()).toBe(20)
  })

  // kafkajs keeps a dead connection, and each further request waits in vain until the operating system closes it.
  it('that is open but dead is replaced after a request without a response', async () => {
    const dead = new Set<number>()
    let isDying = true
    proxy.decide = ({ connection }) => {
      if (isDying) dead.add(connection)
      return dead.has(connection) ? 'lose-request' : 'pass'
    }
    const startedAt = performance.now()
    const lost = [fetchAll(), logRange(cluster, topic, 0)]
    await vi.waitFor(() => expect(dead.size).toBe(2))
    isDying = false
    await Promise.allSettled(lost)
    expect(await fetchAll()).toBe(20)
    expect(await logRange(cluster, topic, 0)).toEqual({ start: 0n, end: 20n })
    expect(performance.now() - startedAt).toBeLessThan(5 * REQUEST_MS)
  })
})
