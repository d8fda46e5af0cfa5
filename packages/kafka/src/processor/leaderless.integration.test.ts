import { isolatedKafka } from '@weir/testkit'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { kafkaCluster } from '../client/kafka-client.ts'
import { connectTo } from '../client/connect-to.ts'
import type { Cluster } from '../client/kafkajs-internals.ts'
import { openLanes } from '../produce/lanes.ts'
import { logRange } from '../client/offsets.ts'
import { silentLogger } from '../client/silent-logger.ts'
import { NumberWriter, startCopyProcessor } from '../testing/copy-processor.ts'
import { KafkaProxy } from '../testing/kafka-proxy.ts'
import { createTopics, readAll } from '../testing/topics.ts'

/** All replicas of one partition are away. The published kafkajs then has no metadata of any topic. */
const settings = isolatedKafka('leaderless')
const PATIENCE = { timeout: 20_000, interval: 50 }
let tests = 0
let topic = ''
let proxy: KafkaProxy
let cluster: Cluster

beforeEach(async () => {
  tests += 1
  topic = (await createTopics(settings, [`some-${tests}`]))[0]!
  proxy = await KafkaProxy.start(settings.kafkaBrokers[0]!)
  proxy.leader = ({ partition }) => (partition === 1 ? -1 : 0)
  const through = { ...settings, kafkaBrokers: proxy.brokers }
  cluster = kafkaCluster({ settings: through, logger: silentLogger, clientId: 'weir-test' })
})

afterEach(async () => {
  await cluster.disconnect()
  await proxy.stop()
})

it('delays only requests that need the partition without a leader', async () => {
  await connectTo(cluster, [topic], silentLogger)
  await vi.waitFor(
    async () => expect(await logRange(cluster, topic, 0)).toEqual({ start: 0n, end: 0n }),
    PATIENCE,
  )
  await expect(logRange(cluster, topic, 1)).rejects.toThrow(`${topic}/1 has no leader`)
  const lanes = await openLanes({
    settings: { ...settings, kafkaBrokers: proxy.brokers },
    logger: silentLogger,
    topic,
    lingerMs: 1,
    batchRecordsMax: 10,
    batchBytesMax: 700_000,
    queueBytesMax: 1_000_000,
    deadlineMs: 20_000,
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

it('stops only the task that writes to the partition without a leader', async () => {
  const [input] = await createTopics(settings, ['input'])
  const writer = new NumberWriter(settings, input!)
  await writer.write(20)
  proxy.leader = (target) => (target.topic === topic && target.partition === 1 ? -1 : 0)
  const processor = await startCopyProcessor({
    settings: { ...settings, kafkaBrokers: proxy.brokers },
    inputs: [input!],
    output: topic,
  })
  const numbers = async () => (await readAll(settings, topic)).map(({ value }) => Number(value!.toString()))
  const even = Array.from({ length: 10 }, (_, i) => 2 * i)
  await vi.waitFor(async () => expect(await numbers()).toEqual(even), PATIENCE)
  expect(processor.parked.size).toBe(0)
  expect(processor.partitions.get(0)).toBe('running')
  proxy.leader = () => 0
  await vi.waitFor(async () => expect(await numbers()).toHaveLength(20), PATIENCE)
  await processor.stop()
  await writer.close()
}, 60_000)
