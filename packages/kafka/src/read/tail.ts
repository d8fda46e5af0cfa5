import { kafkaCluster } from '../client/kafka-client.ts'
import { connectTo } from '../client/connect-to.ts'
import { OffsetOutOfRangeError, RetriableError } from '../client/errors.ts'
import { Prefetcher } from './prefetcher.ts'
import type { Cluster } from '../client/kafkajs-internals.ts'
import { logRange, partitionsOf, type LogRange } from '../client/offsets.ts'
import { PrefetchQueue } from './prefetch-queue.ts'
import type { InputRecord } from '../protocol/record.ts'
import type { KafkaLogger, KafkaSettings } from '../client/settings.ts'

export interface TailTopic {
  readonly topic: string
  /** Start offset of a partition. Called again when retention has deleted the next offset. */
  from(range: LogRange, partition: number): bigint
  /**
   * Receives records of one partition in order. Must be synchronous and must not throw. Keys and values are views of
   * one response.
   */
  onRecords(records: readonly InputRecord[]): void
}

export interface TailOptions {
  readonly settings: KafkaSettings
  readonly logger: KafkaLogger
  readonly clientId: string
  readonly topics: readonly TailTopic[]
}

/** Follows topics with read_committed isolation and without a consumer group, for observers. */
export interface TopicTail {
  /** True when everything that was in the log at the start has been delivered. */
  readonly isCaughtUp: boolean
  /** Records between the last delivered offset and the last known end of the log, control markers included. */
  lag(): number
  close(): Promise<void>
}

const QUEUE_BYTES_MAX = 4_194_304
const RECORDS_MAX = 10_000
const RETRY_MS = 1_000
/** Delay before an unreadable batch is fetched again, ms. Only another leader can return different bytes. */
const UNREADABLE_RETRY_MS = 10_000

/**
 * Waits for the cluster. Resolves when every partition is followed or waits for its leader. Rejects with a `StateError`
 * when a topic does not exist.
 */
export const openTopicTail = async (options: TailOptions): Promise<TopicTail> => {
  const { settings, logger, clientId, topics } = options
  const cluster = kafkaCluster({ settings, logger, clientId })
  const fetcher = new Prefetcher(cluster, logger)
  const tail = new Tail(cluster, fetcher, logger)
  try {
    await connectTo(
      cluster,
      topics.map(({ topic }) => topic),
      logger,
    )
    for (const one of topics) {
      for (const partition of partitionsOf(cluster, one.topic)) await tail.begin(one, partition)
    }
  } catch (error) {
    await tail.close()
    throw error
  }
  return tail
}

class Tail implements TopicTail {
  readonly #cluster: Cluster
  readonly #fetcher: Prefetcher
  readonly #logger: KafkaLogger
  readonly #queues = new Map<string, PrefetchQueue>()
  /** Log end at the start, for partitions that have not reached it; undefined while it is unknown. */
  readonly #behind = new Map<string, bigint | undefined>()
  readonly #timers = new Set<NodeJS.Timeout>()
  #isClosed = false

  constructor(cluster: Cluster, fetcher: Prefetcher, logger: KafkaLogger) {
    this.#cluster = cluster
    this.#fetcher = fetcher
    this.#logger = logger
  }

  /** After a restart of the brokers, it may take a while until every broker knows the leaders. */
  async begin(one: TailTopic, partition: number): Promise<void> {
    this.#behind.set(nameOf({ topic: one.topic, partition }), undefined)
    try {
      await this.#follow(one, partition)
    } catch (error) {
      if (!(error instanceof RetriableError)) throw error
      this.#followLater(one, partition)
    }
  }

  /** `at`: the offset to continue from; by default the offset that the topic's `from` returns. */
  async #follow(one: TailTopic, partition: number, at?: bigint): Promise<void> {
    const range = await logRange(this.#cluster, one.topic, partition)
    if (this.#isClosed) return
    const queue = new PrefetchQueue({
      topic: one.topic,
      partition,
      offset: at ?? one.from(range, partition),
      highWatermark: range.end,
      bytesMax: QUEUE_BYTES_MAX,
      onChange: () => this.#changed(one, queue),
    })
    const name = nameOf(queue)
    this.#queues.set(name, queue)
    if (queue.fetchOffset < range.end) this.#behind.set(name, range.end)
    else this.#behind.delete(name)
    this.#fetcher.add(queue)
  }

  get isCaughtUp(): boolean {
    return this.#behind.size === 0
  }

  lag(): number {
    let lag = 0n
    for (const { highWatermark, fetchOffset } of this.#queues.values()) {
      if (highWatermark > fetchOffset) lag += highWatermark - fetchOffset
    }
    return Number(lag)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const timer of this.#timers) clearTimeout(timer)
    await this.#fetcher.stop()
  }

  #changed(one: TailTopic, queue: PrefetchQueue): void {
    while (queue.recordCount > 0) one.onRecords(queue.take(RECORDS_MAX, QUEUE_BYTES_MAX).records)
    const name = nameOf(queue)
    const end = this.#behind.get(name)
    if (end !== undefined && queue.fetchOffset >= end) this.#behind.delete(name)
    if (queue.error === undefined) return
    this.#fetcher.remove(queue)
    const { topic, partition, error } = queue
    if (error instanceof OffsetOutOfRangeError) {
      // Retention deleted records that were not read yet. Continue with those that are left.
      this.#logger.warn(
        { topic, partition, error: error.message },
        'retention deleted unread records: continuing with the records that are left',
      )
      this.#followLater(one, partition)
    } else {
      this.#logger.error({ topic, partition }, error.message)
      this.#followLater(one, partition, queue.fetchOffset)
    }
  }

  #followLater(one: TailTopic, partition: number, at?: bigint): void {
    if (this.#isClosed) return
    const again = () => {
      this.#timers.delete(timer)
      this.#follow(one, partition, at).catch((error: unknown) => {
        const { topic } = one
        this.#logger.warn(
          { topic, partition, error: String(error) },
          'cannot follow the partition yet, retrying',
        )
        this.#followLater(one, partition, at)
      })
    }
    const timer = setTimeout(again, at === undefined ? RETRY_MS : UNREADABLE_RETRY_MS)
    this.#timers.add(timer)
  }
}

const nameOf = ({ topic, partition }: Pick<PrefetchQueue, 'topic' | 'partition'>): string =>
  `${topic}/${partition}`
