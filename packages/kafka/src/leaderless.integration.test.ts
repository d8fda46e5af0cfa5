import { isolatedKafka } from '@weir/testkit'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { kafkaCluster } from './client.ts'
import { connectTo } from './connect-to.ts'
import type { Cluster } from './internals.ts'
import { openLanes } from './lanes.ts'
import { logRange } from './offsets.ts'
import { silentLogger } from './silent-logger.ts'
import { KafkaProxy } from './testing/kafka-proxy.ts'
import { createTopics, readAll } from './testing/topics.ts'

/** A partition whose replicas are all away: kafkajs as it is published then knows nothing of any topic. */
const settings = isolatedKafka('leaderless')
const PATIENCE = { timeout: 20_000, interval: 50 }
let topic = ''
let proxy: KafkaProxy
let cluster: Cluster

beforeEach(async () => {
  topic = (await createTopics(settings, ['some']))[0]!
  proxy = await KafkaProxy.start(settings.kafkaBrokers[0]!)
  proxy.leader = ({ partition }) => (partition === 1 ? -1 : 0)
  const through = { ...settings, kafkaBrokers: proxy.brokers }
  cluster = kafkaCluster({ settings: through, logger: silentLogger, clientId: 'weir-test' })
})

afterEach(async () => {
  await cluster.disconnect()
  await proxy.stop()
})

it('keeps only those waiting that need it', async () => {
  await connectTo(cluster, [topic], silentLogger)
  await vi.waitFor(
    async () => expect(await logRange(cluster, topic, 0)).toEqual({ start: 0n, end: 0n }),
    PATIENCE,
  )
  await expect(logRange(cluster, topic, 1)).rejects.toThrow(`${topic}/1 has no leader`)
  const lanes = await openLanes({
    ...{ settings: { ...settings, kafkaBrokers: proxy.brokers }, logger: silentLogger, topic, lingerMs: 1 },
    ...{ batchRecordsMax: 10, batchBytesMax: 700_000, queueBytesMax: 1_000_000, deadlineMs: 20_000 },
  })
  const record = { key: Buffer.from('k'), value: Buffer.from('v'), headers: {} }
  const waiting = lanes.send(1, record)
  await lanes.send(0, record)
  expect((await readAll(settings, topic)).map(({ partition }) => partition)).toEqual([0])
  proxy.leader = () => 0
  await waiting
  await vi.waitFor(
    async () => expect(await logRange(cluster, topic, 1)).toEqual({ start: 0n, end: 1n }),
    PATIENCE,
  )
  await lanes.close()
}, 60_000)
