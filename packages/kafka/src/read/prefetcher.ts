import { backOffMs } from '@weir/contracts'
import { kafkaErrorType } from '../client/kafka-client.ts'
import { OffsetOutOfRangeError, StateError } from '../client/errors.ts'
import { fetchPartition, fetchRecords, type FetchedPartition, type FetchRequest } from './fetch-records.ts'
import {
  DecodeError,
  disconnectNow,
  protocolErrorType,
  type Broker,
  type Cluster,
} from '../client/kafkajs-internals.ts'
import type { PrefetchQueue } from './prefetch-queue.ts'
import type { KafkaLogger } from '../client/settings.ts'

const WAIT_MS = 100
/** While a queue is full, so that it is fetched again soon after it has room. */
const WAIT_BUSY_MS = 10
const RESPONSE_BYTES_MAX = 8_388_608
const PARTITION_BYTES_MAX = 1_048_576
const BACK_OFF = { firstMs: 50, maxMs: 2_000 }
const OFFSET_OUT_OF_RANGE = 1

/**
 * Fetches ahead for the partitions of one processor, with one loop and one connection per broker that leads any of
 * them. A full queue is skipped, so a slow partition does not delay others.
 */
export class Prefetcher {
  readonly #cluster: Cluster
  readonly #logger: KafkaLogger
  readonly #queues = new Set<PrefetchQueue>()
  /** Partitions whose last fetch returned an error, with the time of the next attempt. */
  readonly #ailing = new Map<PrefetchQueue, { readonly failures: number; readonly retryAt: number }>()
  readonly #loops = new Map<number, Promise<void>>()
  readonly #wakers = new Set<() => void>()
  #refreshing: Promise<void> | undefined
  #stopped = false

  constructor(cluster: Cluster, logger: KafkaLogger) {
    this.#cluster = cluster
    this.#logger = logger
  }

  add(queue: PrefetchQueue): void {
    this.#queues.add(queue)
    this.#ensureLoops()
  }

  remove(queue: PrefetchQueue): void {
    this.#queues.delete(queue)
    this.#ailing.delete(queue)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#queues.clear()
    for (const wake of this.#wakers) wake()
    await disconnectNow(this.#cluster).catch(() => undefined)
    await Promise.all(this.#loops.values())
  }

  #leader({ topic, partition }: PrefetchQueue): number {
    const metadata = this.#cluster.findTopicPartitionMetadata(topic)
    return metadata.find(({ partitionId }) => partitionId === partition)?.leader ?? -1
  }

  #ensureLoops(): void {
    if (this.#stopped) return
    for (const queue of this.#queues) {
      const nodeId = this.#leader(queue)
      if (nodeId < 0) {
        void this.#refreshLater(BACK_OFF.firstMs)
      } else if (!this.#loops.has(nodeId)) {
        const loop = this.#fetchFrom(nodeId).finally(() => {
          this.#loops.delete(nodeId)
          this.#ensureLoops()
        })
        this.#loops.set(nodeId, loop)
      }
    }
  }

  async #fetchFrom(nodeId: number): Promise<void> {
    for (let failures = 0, turn = 0; !this.#stopped;) {
      const led = [...this.#queues].filter((queue) => this.#leader(queue) === nodeId)
      if (led.length === 0) return
      const wanted = inTurn(
        led.filter((queue) => this.#mayFetch(queue)),
        turn,
      )
      if (wanted.length === 0) {
        await this.#sleep(WAIT_BUSY_MS)
        continue
      }
      turn += 1
      const waitMs = wanted.length < led.length ? WAIT_BUSY_MS : WAIT_MS
      try {
        const broker = await this.#cluster.findBroker({ nodeId: String(nodeId) })
        await this.#fetchReadable(broker, wanted, waitMs)
        failures = 0
      } catch (error) {
        if (this.#isStopped()) return
        failures += 1
        this.#logger.warn({ nodeId, error: kafkaErrorType(error), failures }, 'a fetch failed, retrying')
        await this.#refreshLater(backOffMs(failures, BACK_OFF))
      }
    }
  }

  #mayFetch(queue: PrefetchQueue): boolean {
    const retryAt = this.#ailing.get(queue)?.retryAt ?? 0
    return !queue.isFull && queue.error === undefined && performance.now() >= retryAt
  }

  /** An unreadable batch fails only its own queue. */
  async #fetchReadable(broker: Broker, wanted: readonly PrefetchQueue[], waitMsMax: number): Promise<void> {
    const limits = { waitMsMax, bytesMax: RESPONSE_BYTES_MAX }
    try {
      this.#take(await fetchRecords(broker, wanted.map(requestOf), limits), wanted)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      for (const queue of wanted) await this.#fetchAlone(broker, queue)
    }
  }

  async #fetchAlone(broker: Broker, queue: PrefetchQueue): Promise<void> {
    const limits = { waitMsMax: 0, bytesMax: RESPONSE_BYTES_MAX }
    try {
      this.#take([await fetchPartition(broker, requestOf(queue), limits)], [queue])
    } catch (error) {
      if (!(error instanceof StateError)) throw error
      queue.fail(error)
    }
  }

  #take(responses: readonly FetchedPartition[], wanted: readonly PrefetchQueue[]): void {
    for (const fetched of responses) {
      const { topic, partition, errorCode } = fetched
      const queue = wanted.find((one) => one.topic === topic && one.partition === partition)!
      // The queue was removed meanwhile. A new task of this partition has its own queue.
      if (!this.#queues.has(queue)) continue
      if (errorCode === 0) {
        this.#ailing.delete(queue)
        queue.push(fetched)
      } else if (errorCode === OFFSET_OUT_OF_RANGE) {
        queue.fail(
          new OffsetOutOfRangeError(
            `${topic}/${partition}: the log does not have offset ${queue.fetchOffset}`,
          ),
        )
      } else {
        // Usually the leader has moved, and refreshed metadata resolve the error.
        const failures = (this.#ailing.get(queue)?.failures ?? 0) + 1
        this.#ailing.set(queue, { failures, retryAt: performance.now() + backOffMs(failures, BACK_OFF) })
        const fields = { topic, partition, failures, error: protocolErrorType(errorCode) }
        this.#logger[failures > 3 ? 'warn' : 'debug'](fields, 'a fetch of a partition failed, retrying')
        void this.#refreshLater(backOffMs(failures, BACK_OFF) / 2)
      }
    }
  }

  #refreshLater(delayMs: number): Promise<void> {
    this.#refreshing ??= this.#sleep(delayMs)
      .then(() => (this.#stopped ? undefined : this.#cluster.refreshMetadata()))
      .catch((error: unknown) =>
        this.#logger.debug({ error: kafkaErrorType(error) }, 'the metadata could not be refreshed'),
      )
      .finally(() => {
        this.#refreshing = undefined
        this.#ensureLoops()
      })
    return this.#refreshing
  }

  #isStopped(): boolean {
    return this.#stopped
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        this.#wakers.delete(done)
        resolve()
      }
      const timer = setTimeout(done, ms)
      this.#wakers.add(done)
    })
  }
}

const requestOf = ({ topic, partition, fetchOffset }: PrefetchQueue): FetchRequest => ({
  topic,
  partition,
  offset: fetchOffset,
  maxBytes: PARTITION_BYTES_MAX,
})

/**
 * Rotates the list. A broker serves the first partitions of a request first when the limits do not allow all of them.
 */
const inTurn = <T>(list: readonly T[], turn: number): readonly T[] => {
  const first = list.length === 0 ? 0 : turn % list.length
  return [...list.slice(first), ...list.slice(0, first)]
}
