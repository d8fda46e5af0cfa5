import { expect, it } from 'vitest'
import type { Broker, Cluster } from './internals.ts'
import { silentLogger } from './silent-logger.ts'
import type { TransactionState } from './transaction-apis.ts'
import { UnendedTransactions } from './unended-transactions.ts'

const PRODUCER = { producerId: '7', producerEpoch: 3, coordinatorEpoch: 1 }

/** A cluster of one broker, whose coordinator gives these answers one after another, the last one for good. */
const clusterWith = (states: readonly TransactionState['state'][], errorCode = 0) => {
  const waiting = [...states]
  const asked: string[] = []
  const broker = {
    nodeId: 1,
    versions: Object.fromEntries([27, 61, 65].map((key) => [key, { minVersion: 0, maxVersion: 2 }])),
    connectionPool: {
      send: async ({ request }: { request: { apiName: string } }) => {
        asked.push(request.apiName)
        if (request.apiName === 'DescribeTransactions') {
          const state = waiting.length > 1 ? waiting.shift() : waiting[0]
          return [{ errorCode, state, producerId: '7' }]
        }
        if (request.apiName === 'DescribeProducers') {
          const of = (partition: number, openFrom?: bigint, producerId = '7') => ({
            ...{ topic: 'out', partition, errorCode: 0 },
            value: [{ ...PRODUCER, producerId, topic: 'out', partition, openFrom }],
          })
          // Another's transaction and one that has ended are left alone.
          return [of(0, 5n), of(1), of(2, 9n, '8')]
        }
        return [[[[0, 0]]]]
      },
    },
  } as unknown as Broker
  const cluster = {
    findGroupCoordinator: async () => broker,
    findBroker: async () => broker,
    addMultipleTargetTopics: async () => undefined,
    refreshMetadata: async () => undefined,
    findTopicPartitionMetadata: () => [0, 1, 2].map((partitionId) => ({ partitionId, leader: 1 })),
  } as unknown as Cluster
  return { cluster, asked }
}

const watch = (cluster: Cluster) => {
  const ended: object[] = []
  const logger = { ...silentLogger, warn: (fields: object) => void ended.push(fields) }
  const unended = new UnendedTransactions({ cluster, transactionalId: 'x-0', topics: ['out'], logger })
  return { unended, ended }
}

it.each([
  ['CompleteCommit', 'commit'],
  ['CompleteAbort', 'abort'],
] as const)('before the fence, after %s what is open is ended by %s', async (state, outcome) => {
  const { cluster } = clusterWith([state])
  const { unended, ended } = watch(cluster)
  await unended.endDecided()
  expect(ended).toEqual([{ transactionalId: 'x-0', topic: 'out', partition: 0, offset: '5', outcome }])
})

it.each(['Empty', 'Ongoing', 'Dead'] as const)('before the fence, %s decides nothing', async (state) => {
  const { cluster, asked } = clusterWith([state])
  const { unended, ended } = watch(cluster)
  await unended.endDecided()
  expect([ended, asked]).toEqual([[], ['DescribeTransactions']])
})

it('waits for a decision that is under way', async () => {
  const { cluster } = clusterWith(['PrepareCommit', 'PrepareCommit', 'CompleteCommit'])
  const { unended, ended } = watch(cluster)
  await unended.endDecided()
  expect(ended).toMatchObject([{ outcome: 'commit' }])
})

it('after the fence, what is still open is aborted', async () => {
  const { cluster } = clusterWith(['Empty'])
  const { unended, ended } = watch(cluster)
  await unended.abortRest()
  expect(ended).toMatchObject([{ partition: 0, outcome: 'abort' }])
})

it('has nothing to do for an id that is new', async () => {
  const { cluster, asked } = clusterWith(['Empty'], 105)
  const { unended } = watch(cluster)
  await unended.endDecided()
  await unended.abortRest()
  expect(asked).toEqual(['DescribeTransactions', 'DescribeTransactions'])
})

it('goes on without what its user may not see, and says so once', async () => {
  const { cluster } = clusterWith(['CompleteCommit'])
  const refused = Object.assign(new Error('no'), { type: 'TOPIC_AUTHORIZATION_FAILED' })
  const seeing = {
    ...cluster,
    addMultipleTargetTopics: (topics: readonly string[]) =>
      topics.includes('__consumer_offsets') ? Promise.reject(refused) : Promise.resolve(),
  }
  const { unended, ended } = watch(seeing)
  await unended.endDecided()
  await unended.abortRest()
  expect(ended.filter((fields) => 'outcome' in fields)).toHaveLength(2)
  expect(ended.filter((fields) => !('outcome' in fields))).toEqual([{ topic: '__consumer_offsets' }])
})
