import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { StateError } from '../client/errors.ts'
import { Prefetcher } from './prefetcher.ts'
import type { Cluster, FetchPartition } from '../client/kafkajs-internals.ts'
import { PrefetchQueue } from './prefetch-queue.ts'
import { silentLogger } from '../client/silent-logger.ts'
import { recordBatch, stamped } from '../testing/record-batch.ts'
import { fetchResponse } from '../testing/wire.ts'

/** An in-memory cluster whose brokers serve fetches from logs of batches with one record each. */
const TOPIC = 'in'
interface Definition {
  protocol(version: { version: number }): (parameters: object) => object
}
interface FetchParameters {
  readonly topics: readonly { readonly topic: string; readonly partitions: readonly FetchPartition[] }[]
}

let logs: Map<number, Buffer[]>
let leaders: Map<number, number>
let errors: Map<number, number>
/** The partitions of each fetch, in request order. */
let asked: { nodeId: number; partitions: number[] }[]
let before: (nodeId: number, partitions: readonly number[]) => void | Promise<void>
let refreshes = 0
let fetcher: Prefetcher

const answerTo = (nodeId: number, { topics }: FetchParameters): Buffer =>
  fetchResponse(
    topics.flatMap(({ topic, partitions }) =>
      partitions.map(({ partition, fetchOffset }) => {
        if (leaders.get(partition) !== nodeId) return { topic, partition, errorCode: 6, batches: [] }
        const errorCode = errors.get(partition) ?? 0
        const batches = errorCode === 0 ? logs.get(partition)!.slice(Number(fetchOffset)) : []
        return { topic, partition, errorCode, batches }
      }),
    ),
  )

const brokerOf = (nodeId: number) => ({
  nodeId,
  lookupRequest: (_: number, definition: Definition) => (parameters: FetchParameters) => ({
    ...definition.protocol({ version: 11 })(parameters),
    request: { ...parameters, apiVersion: 11 },
  }),
  connectionPool: {
    pool: [],
    send: async (call: { request: FetchParameters; response: { decode: (bytes: Buffer) => unknown } }) => {
      const partitions = call.request.topics.flatMap((one) =>
        one.partitions.map(({ partition }) => partition),
      )
      asked.push({ nodeId, partitions })
      await before(nodeId, partitions)
      await new Promise((resolve) => setTimeout(resolve, 1))
      return call.response.decode(answerTo(nodeId, call.request))
    },
  },
})

const cluster = {
  brokerPool: { metadata: null, brokers: {} },
  findTopicPartitionMetadata: () => [...leaders].map(([partitionId, leader]) => ({ partitionId, leader })),
  findBroker: ({ nodeId }: { nodeId: string }) => Promise.resolve(brokerOf(Number(nodeId))),
  refreshMetadata: () => {
    refreshes += 1
    return Promise.resolve()
  },
  disconnect: () => Promise.resolve(),
} as unknown as Cluster

const batchesOf = (count: number, bytes = 10): Buffer[] =>
  Array.from({ length: count }, (_, i) => {
    const offset = BigInt(i)
    return recordBatch({ firstOffset: offset, records: [{ offset, value: Buffer.alloc(bytes) }] })
  })

const addQueue = (partition: number, bytesMax = 1_000_000): PrefetchQueue => {
  const queue = new PrefetchQueue({
    topic: TOPIC,
    partition,
    offset: 0n,
    highWatermark: 0n,
    bytesMax,
    onChange: () => undefined,
  })
  fetcher.add(queue)
  return queue
}

const offsetsIn = (queue: PrefetchQueue) =>
  queue.take(1_000, 1_000_000).records.map(({ offset }) => Number(offset))

beforeEach(() => {
  logs = new Map([
    [0, batchesOf(3)],
    [1, batchesOf(3)],
    [2, batchesOf(3)],
  ])
  leaders = new Map([
    [0, 1],
    [1, 1],
    [2, 2],
  ])
  errors = new Map()
  asked = []
  before = () => undefined
  refreshes = 0
  fetcher = new Prefetcher(cluster, silentLogger)
})
afterEach(() => fetcher.stop())

describe('the prefetcher', () => {
  it('fetches each partition from its leader', async () => {
    const queues = [0, 1, 2].map((partition) => addQueue(partition))
    await vi.waitFor(() => expect(queues.map(({ recordCount }) => recordCount)).toEqual([3, 3, 3]))
    expect(queues.map(offsetsIn)).toEqual([
      [0, 1, 2],
      [0, 1, 2],
      [0, 1, 2],
    ])
    for (const { nodeId, partitions } of asked) {
      expect(partitions.every((partition) => leaders.get(partition) === nodeId)).toBe(true)
    }
  })

  it('skips a full queue until it has room, without delaying others', async () => {
    const full = addQueue(0, 1)
    const other = addQueue(1)
    await vi.waitFor(() => expect(other.recordCount).toBe(3))
    expect(full.isFull).toBe(true)
    asked = []
    await vi.waitFor(() => expect(asked.length).toBeGreaterThan(5))
    expect(asked.some(({ partitions }) => partitions.includes(0))).toBe(false)
    full.take(10, 1_000)
    await vi.waitFor(() => expect(asked.some(({ partitions }) => partitions.includes(0))).toBe(true))
  })

  // In a fixed order, the last of many partitions would get only the bytes that the others leave.
  it('rotates the partitions of a request, so that none is always served last', async () => {
    addQueue(0)
    addQueue(1)
    await vi.waitFor(() => {
      const first = new Set(asked.filter(({ nodeId }) => nodeId === 1).map(({ partitions }) => partitions[0]))
      expect(first).toEqual(new Set([0, 1]))
    })
  })

  // Regression: with one counter for all brokers, each broker's requests always began with the same partition.
  it('rotates the partitions of each broker independently of the other brokers', async () => {
    for (const partition of [0, 1, 2]) addQueue(partition)
    let turns = 0
    let waiting = Promise.withResolvers<undefined>()
    // Each broker responds after the other one has received its request.
    before = async () => {
      turns += 1
      const other = waiting
      waiting = Promise.withResolvers()
      other.resolve(undefined)
      await waiting.promise
    }
    await vi.waitFor(() => expect(turns).toBeGreaterThan(20))
    before = () => undefined
    waiting.resolve(undefined)
    const order = asked.filter(({ nodeId }) => nodeId === 1).map(({ partitions }) => partitions[0])
    // The first fetch may contain only the first queue.
    expect(['010101', '101010']).toContain(order.slice(1, 7).join(''))
  })

  it('returns no record twice when a leader moves while its response is in flight', async () => {
    const held = Promise.withResolvers<undefined>()
    before = (nodeId) => (nodeId === 1 ? held.promise : undefined)
    const queue = addQueue(0)
    await vi.waitFor(() => expect(asked).toHaveLength(1))
    leaders.set(0, 2)
    // The new leader gets a request while the response of the old one is in flight.
    fetcher.add(addQueue(2))
    await vi.waitFor(() => expect(queue.recordCount).toBe(3))
    logs.set(0, batchesOf(5))
    leaders.set(0, 1)
    held.resolve(undefined)
    await vi.waitFor(() => expect(queue.fetchOffset).toBe(5n))
    expect(offsetsIn(queue)).toEqual([0, 1, 2, 3, 4])
  })

  it('pauses a partition with an error, refreshes the metadata and serves the others', async () => {
    errors.set(0, 6)
    const [ailing, other] = [addQueue(0), addQueue(1)]
    await vi.waitFor(() => expect(other.recordCount).toBe(3))
    await vi.waitFor(() => expect(refreshes).toBeGreaterThan(0))
    errors.delete(0)
    await vi.waitFor(() => expect(ailing.recordCount).toBe(3))
    expect(ailing.error).toBeUndefined()
  })

  it('fails only the queue whose offset is not in the log', async () => {
    errors.set(0, 1)
    const [lost, other] = [addQueue(0), addQueue(1)]
    await vi.waitFor(() => expect(lost.error?.message).toBe('in/0: the log does not have offset 0'))
    await vi.waitFor(() => expect(other.recordCount).toBe(3))
  })

  // Regression: the whole response was retried without end, and no partition of that broker advanced.
  it('fails only the queue with the unreadable batch', async () => {
    const broken = Buffer.from(batchesOf(1)[0]!)
    broken.writeInt16BE(1, 21)
    logs.set(0, [stamped(broken)])
    const [poisoned, other] = [addQueue(0), addQueue(1)]
    await vi.waitFor(() => expect(poisoned.error).toBeInstanceOf(StateError))
    expect(poisoned.error!.message).toContain('in/0: what follows offset 0 cannot be read')
    await vi.waitFor(() => expect(other.recordCount).toBe(3))
    asked = []
    await vi.waitFor(() => expect(asked.length).toBeGreaterThan(2))
    expect(asked.every(({ partitions }) => !partitions.includes(0))).toBe(true)
  })

  it('reads a damaged batch again, and fails its queue when it stays damaged', async () => {
    const damaged = Buffer.from(batchesOf(1)[0]!)
    damaged[damaged.length - 1]! ^= 1
    logs.set(0, [damaged])
    logs.set(1, [damaged])
    const whole = batchesOf(3)
    before = (_, partitions) => {
      // Only the bytes in transit were damaged.
      if (partitions.length === 1 && partitions[0] === 1) logs.set(1, whole)
    }
    const [poisoned, cured, other] = [addQueue(0), addQueue(1), addQueue(2)]
    await vi.waitFor(() => expect(poisoned.error).toBeInstanceOf(StateError))
    expect(poisoned.error!.message).toMatch(
      /^in\/0: what follows offset 0 cannot be read: the batch at offset 0 is damaged: it states CRC-32C 0x\w{8}, and its bytes have 0x\w{8}\. Let another replica lead/,
    )
    await vi.waitFor(() => expect(cured.recordCount).toBe(3))
    await vi.waitFor(() => expect(other.recordCount).toBe(3))
    expect(cured.error).toBeUndefined()
  })

  it('retries when a broker does not respond', async () => {
    let failures = 0
    before = () => {
      failures += 1
      if (failures < 3) throw new Error('away')
    }
    const queue = addQueue(0)
    await vi.waitFor(() => expect(queue.recordCount).toBe(3))
  })

  it('ignores the response for a queue that was removed meanwhile', async () => {
    const held = Promise.withResolvers<undefined>()
    before = () => held.promise
    const queue = addQueue(0)
    await vi.waitFor(() => expect(asked).toHaveLength(1))
    fetcher.remove(queue)
    held.resolve(undefined)
    await fetcher.stop()
    expect(queue.recordCount).toBe(0)
  })
})
