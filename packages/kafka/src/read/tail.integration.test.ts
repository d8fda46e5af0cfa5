import { isolatedKafka } from '@weir/testkit'
import { afterEach, expect, it, onTestFinished, vi } from 'vitest'
import { openLanes, type Lanes } from '../produce/lanes.ts'
import { silentLogger } from '../client/silent-logger.ts'
import { openTopicTail, type TopicTail } from './tail.ts'
import { KafkaProxy } from '../testing/kafka-proxy.ts'
import { withAdmin } from '../testing/topics.ts'
import { ERROR } from '../testing/wire.ts'
import { ensureTopics } from '../admin/topics.ts'

const settings = isolatedKafka('tail')
const options = { settings, logger: silentLogger, clientId: 'weir-test' }
let tail: TopicTail | undefined
let lanes: Lanes | undefined

afterEach(async () => {
  await tail?.close()
  await lanes?.close()
})

const openLanesTo = async (topic: string): Promise<Lanes> => {
  lanes = await openLanes({
    settings,
    logger: silentLogger,
    topic,
    lingerMs: 0,
    deadlineMs: 10_000,
    batchRecordsMax: 10,
    batchBytesMax: 100_000,
    queueBytesMax: 1_000_000,
  })
  return lanes
}

const createTopic = async (name: string): Promise<string> => {
  const spec = {
    role: 'received',
    key: 'k',
    cleanup: 'delete',
    retentionMs: -1,
    coPartitioned: true,
  } as const
  const specs = [{ ...spec, name }]
  await ensureTopics({ settings, logger: silentLogger, specs, replicationFactor: 1, minInsyncReplicas: 1 })
  return `${settings.topicPrefix}${name}`
}

const record = (value: string) => ({ key: Buffer.from('k'), value: Buffer.from(value), headers: {} })

it('delivers existing records from the start offset, then new ones', async () => {
  const topic = await createTopic('follow.v1')
  const open = await openLanesTo(topic)
  for (const value of ['a', 'b', 'c']) await open.send(0, record(value))
  await open.send(1, record('d'))
  const seen: string[] = []
  tail = await openTopicTail({
    ...options,
    topics: [
      {
        topic,
        from: ({ start, end }) => (end - 2n > start ? end - 2n : start),
        onRecords: (records) => void seen.push(...records.map(({ value }) => value!.toString())),
      },
    ],
  })
  await vi.waitFor(() => expect(seen.toSorted()).toEqual(['b', 'c', 'd']), { timeout: 10_000 })
  await vi.waitFor(() => expect([tail!.isCaughtUp, tail!.lag()]).toEqual([true, 0]), { timeout: 10_000 })
  await open.send(0, record('e'))
  await vi.waitFor(() => expect(seen.toSorted()).toEqual(['b', 'c', 'd', 'e']), { timeout: 10_000 })
})

it('continues at the start of the log when retention has deleted unread records', async () => {
  const topic = await createTopic('overtaken.v1')
  const open = await openLanesTo(topic)
  for (const value of ['a', 'b', 'c']) await open.send(0, record(value))
  await withAdmin(settings, async (admin) => {
    // kafkajs deletes records only from topics in its metadata.
    await admin.fetchTopicOffsets(topic)
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '2' }] })
  })
  const seen: string[] = []
  let asked = 0
  tail = await openTopicTail({
    ...options,
    topics: [
      {
        topic,
        // Simulates that records were deleted between the offset request and the fetch.
        from: ({ start }) => (asked++ === 0 ? 0n : start),
        onRecords: (records) => void seen.push(...records.map(({ value }) => value!.toString())),
      },
    ],
  })
  await vi.waitFor(() => expect(seen).toEqual(['c']), { timeout: 10_000 })
})

it('waits for partitions with unknown leaders, and is not caught up before', async () => {
  const topic = await createTopic('leaderless.v1')
  await (await openLanesTo(topic)).send(0, record('a'))
  const proxy = await KafkaProxy.start(settings.kafkaBrokers[0]!)
  onTestFinished(() => proxy.stop())
  const script = proxy.script('listOffsets', [{ error: ERROR.notLeader }, { error: ERROR.notLeader }])
  const seen: string[] = []
  tail = await openTopicTail({
    ...options,
    settings: { ...settings, kafkaBrokers: proxy.brokers },
    topics: [
      {
        topic,
        from: ({ start }) => start,
        onRecords: (records) => void seen.push(...records.map(({ value }) => value!.toString())),
      },
    ],
  })
  expect(tail.isCaughtUp).toBe(false)
  await vi.waitFor(() => expect([tail!.isCaughtUp, seen]).toEqual([true, ['a']]), { timeout: 10_000 })
  expect(script.left()).toBe(0)
})

it('rejects a topic that does not exist', async () => {
  const topics = [{ topic: `${settings.topicPrefix}none.v1`, from: () => 0n, onRecords: () => undefined }]
  await expect(openTopicTail({ ...options, topics })).rejects.toThrow(/does not exist/)
})
