import { pause, type Clock } from '../../client/clock.ts'
import type { ClusterReads } from '../../read/cluster-reads.ts'
import { OffsetOutOfRangeError, RetriableError } from '../../client/errors.ts'
import type { FetchedPartition } from '../../read/fetch-records.ts'
import type { Feed } from '../../processor/task-inputs.ts'
import type { PrefetchQueue } from '../../read/prefetch-queue.ts'
import type { ModelBroker } from './model-broker.ts'
import { BrokerError } from './model-log.ts'
import { decodeRecord } from './model-record.ts'
import { ConnectionError, type SimProcess, type World } from './world.ts'

const OFFSET_OUT_OF_RANGE = 1
/** Maximum records in one response. Small, so that reading a log takes several requests. */
const FETCH_RECORDS = 3
/** How long brokers wait for records before they respond, ms. */
const FETCH_WAIT_MS = 100
const FEED_WAIT_MS = 1_000

/** Reads of one process from the model. Each request may take any time. */
export class ModelReads implements ClusterReads {
  readonly clock: Clock
  readonly #world: World
  readonly #process: SimProcess
  readonly #broker: ModelBroker

  constructor(world: World, process: SimProcess, broker: ModelBroker, clock: Clock) {
    this.#world = world
    this.#process = process
    this.#broker = broker
    this.clock = clock
  }

  clusterId(): Promise<string> {
    return Promise.resolve('model')
  }

  topicId(): Promise<string> {
    return Promise.resolve('')
  }

  refresh(): Promise<void> {
    return Promise.resolve()
  }

  async logRange(topic: string, partition: number) {
    const log = this.#broker.log(`${topic}/${partition}`)
    const ask = (which: string, read: () => number) =>
      this.#call(`ListOffsets ${log.name} ${which}`, () => {
        log.requireLeader()
        return BigInt(read())
      })
    return { start: await ask('first', () => 0), end: await ask('last', () => log.end) }
  }

  committedOffsets(groupId: string, topics: readonly string[], partition: number) {
    return this.#call('OffsetFetch', () => {
      const found = topics.flatMap((topic) => {
        const known = this.#broker.committedOffset(groupId, `${topic}/${partition}`)
        return known === undefined ? [] : [[topic, { ...known, offset: BigInt(known.offset) }] as const]
      })
      return new Map(found)
    })
  }

  async fetch(topic: string, partition: number, offset: bigint): Promise<FetchedPartition> {
    const fetched = await this.#call(`Fetch ${topic}/${partition} ${offset}`, () =>
      this.#read(topic, partition, Number(offset)),
    )
    if (fetched.errorCode === 0 && fetched.nextOffset === offset) await pause(this.clock, FETCH_WAIT_MS)
    return fetched
  }

  #read(topic: string, partition: number, from: number): FetchedPartition {
    const log = this.#broker.log(`${topic}/${partition}`)
    log.requireLeader()
    const response = { topic, partition, offset: BigInt(from), highWatermark: BigInt(log.end) }
    if (from > log.end) {
      return { ...response, errorCode: OFFSET_OUT_OF_RANGE, records: [], nextOffset: BigInt(from) }
    }
    const visible = log.visible(from)
    const records = visible
      .slice(0, FETCH_RECORDS)
      .map(({ offset, value }) => ({
        topic,
        partition,
        offset: BigInt(offset),
        timestamp: 0,
        headers: {},
        ...decodeRecord(value),
      }))
    const isAll = records.length === visible.length
    const nextOffset = isAll ? BigInt(Math.max(from, log.lastStableOffset)) : records.at(-1)!.offset + 1n
    return { ...response, errorCode: 0, records, nextOffset }
  }

  async #call<T>(label: string, execute: () => T): Promise<T> {
    try {
      return await this.#world.call(this.#process, label, execute)
    } catch (error) {
      if (error instanceof BrokerError || error instanceof ConnectionError) {
        throw new RetriableError(`${label}: ${error.message}`, { cause: error })
      }
      throw error
    }
  }
}

/** Replaces the prefetcher. Each queue has its own requests. */
export const modelFeed = (reads: ClusterReads): Feed => {
  const queues = new Set<PrefetchQueue>()
  const fill = async (queue: PrefetchQueue): Promise<void> => {
    const { topic, partition } = queue
    while (queues.has(queue)) {
      const offset = queue.fetchOffset
      const fetched = await reads.fetch(topic, partition, offset).catch((error: unknown) => {
        if (error instanceof RetriableError) return undefined
        throw error
      })
      if (!queues.has(queue)) return
      if (fetched?.errorCode === OFFSET_OUT_OF_RANGE) {
        queue.fail(new OffsetOutOfRangeError(`${topic}/${partition}: the log does not have offset ${offset}`))
        return
      }
      if (fetched !== undefined) queue.push(fetched)
      if (queue.fetchOffset === offset) await pause(reads.clock, FEED_WAIT_MS)
    }
  }
  return {
    add: (queue) => {
      queues.add(queue)
      void fill(queue)
    },
    remove: (queue) => {
      queues.delete(queue)
    },
  }
}
