import { expect, it } from 'vitest'
import { BrokerView } from './broker-view.ts'
import { RetriableError, TransactionError } from '../client/errors.ts'
import type { Broker, Cluster } from '../client/kafkajs-internals.ts'
import { silentLogger } from '../client/silent-logger.ts'
import { offsetsPartitionOf, requireWritten } from './written-places.ts'

const DESCRIBE_PRODUCERS = 61

/** Partitions 0 to 2 of each topic. Those in `leaderless` have no leader. */
const viewWith = (
  leaderless: (topic: string, partition: number) => boolean,
  {
    transactionTimeoutMs = 10_000,
    givenUp = new AbortController().signal,
    onAsked = (): void => undefined,
  } = {},
) => {
  let asked = 0
  const broker = {
    nodeId: 1,
    connectionPool: {
      send: async ({ request }: { request: { apiKey: number } }) => {
        if (request.apiKey === DESCRIBE_PRODUCERS) {
          asked += 1
          onAsked()
        }
        return []
      },
    },
  } as unknown as Broker
  const cluster = {
    findBroker: async () => broker,
    addMultipleTargetTopics: async () => undefined,
    refreshMetadata: async () => undefined,
    findTopicPartitionMetadata: (topic: string) =>
      [0, 1, 2].map((partitionId) => ({ partitionId, leader: leaderless(topic, partitionId) ? -1 : 1 })),
  } as unknown as Cluster
  const view = new BrokerView({
    cluster,
    transactionalId: 'x-1',
    transactionTimeoutMs,
    logger: silentLogger,
    givenUp,
    places: { partition: 1, own: ['out', 'seen'], shared: ['shapes'], groupId: 'x' },
  })
  return { view, asked: () => asked }
}

const OFFSETS = offsetsPartitionOf('x', 3)

it('searches the partitions that the id may write to, even if others have no leader', async () => {
  const { view, asked } = viewWith((topic, partition) =>
    topic === '__consumer_offsets' ? partition !== OFFSETS : topic !== 'shapes' && partition !== 1,
  )
  expect(await view.open('7')).toEqual([])
  expect(asked()).toBe(1)
})

it.each([
  ['its own partition', 'out', 1],
  ['any partition of a shared topic', 'shapes', 2],
  ['the offsets of its group', '__consumer_offsets', OFFSETS],
])('waits for the leader of %s', async (_, where, number) => {
  const { view } = viewWith((topic, partition) => topic === where && partition === number)
  await expect(view.open('7')).rejects.toThrow(RetriableError)
})

it('sends no request after its owner has given up', async () => {
  const owner = new AbortController()
  const moved = Object.assign(new Error('moved'), { type: 'NOT_LEADER_FOR_PARTITION' })
  const { view, asked } = viewWith(() => false, {
    givenUp: owner.signal,
    onAsked: () => {
      owner.abort(new TransactionError('given up'))
      throw moved
    },
  })
  await expect(view.open('7')).rejects.toThrow('given up')
  expect(asked()).toBe(1)
})

it('accepts no record for a partition where open transactions are not searched', () => {
  const places = { partition: 1, own: ['out'], shared: ['shapes'], groupId: 'x' }
  requireWritten(places, [
    { topic: 'out', partition: 1 },
    { topic: 'shapes', partition: 2 },
  ])
  expect(() => {
    requireWritten(places, [{ topic: 'out', partition: 0 }])
  }).toThrow('partition 1 writes to out/0, which is not declared')
})

it.each([
  // From Java: Math.abs("dedup".hashCode()) % 50, and so on.
  ['dedup', 50, 30],
  ['polygenelubricants', 50, 0],
])('finds the partition of the offsets of group %s', (groupId, count, partition) => {
  expect(offsetsPartitionOf(groupId, count)).toBe(partition)
})

it('requires whole seconds, because a fraction marks an id as shut out', () => {
  expect(() => viewWith(() => false, { transactionTimeoutMs: 10_001 })).toThrow(
    '10001 ms is not whole seconds',
  )
})
