import { setImmediate as turn } from 'node:timers/promises'
import type { Kafka } from 'kafkajs'
import { expect, it } from 'vitest'
import { brokerReads } from '../read/cluster-reads.ts'
import { Prefetcher } from '../read/prefetcher.ts'
import type { Cluster } from '../client/kafkajs-internals.ts'
import type { Task } from './task.ts'
import { PrefetchQueue } from '../read/prefetch-queue.ts'
import { TaskRunner } from './task-runner.ts'
import { silentLogger } from '../client/silent-logger.ts'
import { kafkaTransactions } from '../transactions/transaction-client.ts'

const TOPICS = ['events', 'replay']

/** The queues in the prefetcher. It fetches nothing. */
class QueueList extends Prefetcher {
  readonly queues = new Set<PrefetchQueue>()

  override add(queue: PrefetchQueue): void {
    this.queues.add(queue)
  }

  override remove(queue: PrefetchQueue): void {
    this.queues.delete(queue)
  }
}

const transaction = {
  commit: async () => undefined,
  addPartitions: async () => undefined,
  sendOffsets: async () => undefined,
  send: async ({ topic }: { topic: string }) => [
    { topicName: topic, partition: 0, errorCode: 0, baseOffset: '0' },
  ],
}
/** An old broker, which gets no requests about transactions. */
const coordinator = { nodeId: 1, initProducerId: async () => ({ producerId: '1', producerEpoch: 0 }) }
const producer = {
  connect: async () => undefined,
  disconnect: async () => undefined,
  adopt: () => undefined,
  transaction: async () => transaction,
  cluster: { findGroupCoordinator: async () => coordinator, findBroker: async () => coordinator },
}
const task: Task = {
  restore: async () => new Map(),
  process: async () => ({ outputs: [] }),
  close: async () => undefined,
}

/** A cluster that responds to offset requests, unless `fails` returns true. */
const clusterWith = (fails: (topic: string) => boolean): Cluster => {
  const broker = {
    listOffsets: async ({ topics }: { topics: { topic: string }[] }) => {
      const { topic } = topics[0]!
      if (fails(topic)) throw Object.assign(new Error('planted'), { code: 'ECONNREFUSED' })
      return { responses: [{ topic, partitions: [{ partition: 0, offset: '0' }] }] }
    },
    offsetFetch: async () => ({ responses: [] }),
  }
  return {
    brokerPool: { metadata: { clusterId: 'c' }, brokers: {} },
    findTopicPartitionMetadata: () => [{ partitionId: 0, leader: 1 }],
    findBroker: async () => broker,
    findGroupCoordinator: async () => broker,
    refreshMetadata: async () => undefined,
  } as unknown as Cluster
}

// Two queues of one partition would share a fetch, and the abandoned one would take all records.
it('leaves no queue in the prefetcher when a restore fails halfway', async () => {
  let failures = 0
  const cluster = clusterWith((topic) => topic === 'replay' && failures++ === 0)
  const fetcher = new QueueList(cluster, silentLogger)
  const running = Promise.withResolvers<undefined>()
  const runner = new TaskRunner({
    partition: 0,
    groupId: 'group',
    fetcher,
    after: Promise.resolve(),
    reads: brokerReads(cluster),
    openClient: kafkaTransactions({ producer: () => producer } as unknown as Kafka),
    membership: { confirm: async () => true, isFresh: true },
    onFatal: (error) => running.reject(error),
    processor: {
      settings: {
        kafkaBrokers: [],
        kafkaSsl: false,
        kafkaMechanism: 'plain',
        topicPrefix: '',
        topicPartitions: 1,
        groupSessionMs: 6_000,
        transactionTimeoutMs: 10_000,
      },
      logger: silentLogger,
      service: 'test',
      inputs: TOPICS,
      outputs: [],
      startsTopic: 'started',
      openTask: async () => task,
      batch: { recordsMax: 10, bytesMax: 1_000, lingerMs: 0 },
      observer: {
        partition: ({ state }) => {
          if (state === 'running') running.resolve(undefined)
        },
      },
    },
  })
  await running.promise
  await turn()
  expect(failures).toBeGreaterThan(1)
  expect([...fetcher.queues].map(({ topic }) => topic)).toEqual(TOPICS)
  await runner.release()
  expect(fetcher.queues.size).toBe(0)
})
