import type { WireRecord } from '@weir/contracts'
import type { Kafka, Producer } from 'kafkajs'
import { wireBytesOf } from './send-chunks.ts'
import { kafkaClient, kafkaErrorType } from '../client/kafka-client.ts'
import { Lane, LaneError, type QueuedRecord } from './lane.ts'
import { acknowledgement, explicitPartition, messageOf } from './kafkajs-message.ts'
import { PartitionLeaders } from './partition-leaders.ts'
import { SendGroups } from './send-groups.ts'
import type { KafkaLogger, KafkaSettings } from '../client/settings.ts'

export interface LanesOptions {
  readonly settings: KafkaSettings
  readonly logger: KafkaLogger
  readonly topic: string
  /** How long a lane waits for more records before it sends, ms. */
  readonly lingerMs: number
  /** Maximum records in one send. */
  readonly batchRecordsMax: number
  /** Maximum bytes in one send. */
  readonly batchBytesMax: number
  /** Maximum bytes waiting or in flight in all lanes together. Above it `send` rejects with `full`. */
  readonly queueBytesMax: number
  /** A record without a result after this time is rejected with `deadline`, ms. */
  readonly deadlineMs: number
}

/** A record and its partition. */
export interface PlacedRecord {
  readonly partition: number
  readonly record: WireRecord
}

/**
 * One lane per partition of one topic, each with one outstanding acks=all send. Lanes of one broker share requests.
 * The producer is deliberately not idempotent: a retry may write a record twice, which dedup removes, and no record can
 * be lost to reused sequence numbers.
 */
export interface Lanes {
  readonly partitions: number
  /** Resolves only on a result with error code 0 for this topic and partition. Otherwise rejects with a `LaneError`. */
  send(partition: number, record: WireRecord): Promise<void>
  /**
   * Resolves when all records are acknowledged. After a rejection some records may still be on the topic. The records
   * of one partition share a send as far as `batchRecordsMax` and `batchBytesMax` allow.
   */
  sendAll(records: readonly PlacedRecord[]): Promise<void>
  /** Records and bytes that are waiting or in flight. */
  readonly queued: { readonly records: number; readonly bytes: number }
  /** For readiness: false while sends fail or no broker is connected. */
  readonly healthy: boolean
  /** Set when the partition count of the topic differs from the configuration. No record is accepted then. */
  readonly fault: string | undefined
  /** Sends what is queued, then disconnects. */
  close(): Promise<void>
}

/** A retry fails in the same way. */
const REFUSED = new Set([
  'TOPIC_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'INVALID_TOPIC_EXCEPTION',
  'INVALID_REQUIRED_ACKS',
  'INVALID_RECORD',
])
const TOO_LARGE = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'])
const SWEEP_MS = 50
/** Between two looks at the topic's partition count. */
const COUNT_LOOK_MS = 5_000
const REQUEST_MS_MIN = 1_000
const REQUEST_MS_MAX = 10_000
/** Number of consecutive failed sends after which the client is replaced. */
const FAILURES_UNTIL_RECONNECT = 3

/** Does not wait for a broker. Until one responds, records wait up to their deadline. */
export const openLanes = (options: LanesOptions): Promise<Lanes> => Promise.resolve(new BrokerLanes(options))

class BrokerLanes implements Lanes {
  readonly #options: LanesOptions
  readonly #kafka: Kafka
  readonly #leaders: PartitionLeaders
  readonly #groups: SendGroups
  readonly #lanes: readonly Lane[]
  readonly #sweep: NodeJS.Timeout
  readonly #watch: NodeJS.Timeout
  #producer: Promise<Producer> | undefined
  #failures = 0
  #isConnected = false
  #bytes = 0
  #records = 0
  #closed = false
  #fault: string | undefined

  constructor(options: LanesOptions) {
    this.#options = options
    const { settings, logger, deadlineMs } = options
    this.#kafka = kafkaClient({
      settings,
      logger,
      clientId: 'weir-lanes',
      requestTimeoutMs: Math.min(REQUEST_MS_MAX, Math.max(REQUEST_MS_MIN, deadlineMs / 2)),
      retry: { retries: 1 },
    })
    const { topic } = options
    this.#leaders = new PartitionLeaders(this.#kafka, topic, (count) => this.#counted(count))
    this.#watch = setInterval(() => void this.#leaders.look(), COUNT_LOOK_MS)
    this.#groups = new SendGroups({
      leaderOf: (partition) => this.#leaders.of(partition),
      send: async (messages) => (await this.#connected()).send({ topic, acks: -1, messages }),
    })
    const lane = (partition: number) =>
      new Lane({ ...options, send: (entries, isLast) => this.#send(partition, entries, isLast) })
    this.#lanes = Array.from({ length: settings.topicPartitions }, (_, partition) => lane(partition))
    this.#sweep = setInterval(() => {
      for (const one of this.#lanes) one.expire(performance.now())
    }, SWEEP_MS)
    void this.#connected().catch(() => undefined)
  }

  get partitions(): number {
    return this.#lanes.length
  }

  get queued(): { readonly records: number; readonly bytes: number } {
    return { records: this.#records, bytes: this.#bytes }
  }

  get healthy(): boolean {
    return this.#isConnected && this.#failures === 0
  }

  get fault(): string | undefined {
    return this.#fault
  }

  send(partition: number, record: WireRecord): Promise<void> {
    const lane = this.#laneOf(partition)
    const bytes = wireBytesOf(record)
    const refusal = this.#refusal(bytes)
    if (refusal !== undefined) return Promise.reject(refusal)
    return new Promise((resolve, reject) => lane.add(this.#entry({ record, bytes, resolve, reject })))
  }

  sendAll(records: readonly PlacedRecord[]): Promise<void> {
    const [first] = records
    if (first !== undefined && records.length === 1) return this.send(first.partition, first.record)
    const sized = records.map(({ partition, record }) => ({
      lane: this.#laneOf(partition),
      record,
      bytes: wireBytesOf(record),
    }))
    const refusal = this.#refusal(sized.reduce((sum, { bytes }) => sum + bytes, 0))
    if (refusal !== undefined) return Promise.reject(refusal)
    const group = {}
    const acknowledged: Promise<void>[] = []
    for (const [lane, own] of Map.groupBy(sized, (one) => one.lane)) {
      const entries = own.map(({ record, bytes }) => {
        const { promise, resolve, reject } = Promise.withResolvers<undefined>()
        acknowledged.push(promise)
        return this.#entry({ record, bytes, group, resolve: () => resolve(undefined), reject })
      })
      lane.add(...entries)
    }
    return Promise.all(acknowledged).then(() => undefined)
  }

  #laneOf(partition: number): Lane {
    const lane = this.#lanes[partition]
    if (lane === undefined) throw new RangeError(`there is no partition ${partition} of ${this.partitions}`)
    return lane
  }

  /** Why this many bytes are not accepted now. */
  #refusal(bytes: number): LaneError | undefined {
    if (this.#closed) return new LaneError('closed', 'the lanes are closed')
    if (this.#fault !== undefined) return new LaneError('partitions', this.#fault)
    return this.#bytes + bytes > this.#options.queueBytesMax
      ? new LaneError('full', `more than ${this.#options.queueBytesMax} bytes wait`)
      : undefined
  }

  #entry(parts: Omit<QueuedRecord, 'deadlineAt' | 'release'>): QueuedRecord {
    const { bytes } = parts
    this.#bytes += bytes
    this.#records += 1
    return {
      ...parts,
      deadlineAt: performance.now() + this.#options.deadlineMs,
      release: () => {
        this.#bytes -= bytes
        this.#records -= 1
      },
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all(this.#lanes.map((lane) => lane.drained()))
    clearInterval(this.#sweep)
    clearInterval(this.#watch)
    const producer = await this.#producer?.catch(() => undefined)
    await producer?.disconnect().catch(() => undefined)
  }

  /** Undefined: acknowledged. `retry`: not known, or known not to be written, and worth another try. */
  async #send(
    partition: number,
    entries: readonly QueuedRecord[],
    isAlone: boolean,
  ): Promise<undefined | 'retry' | 'split' | LaneError> {
    const { topic, logger } = this.#options
    try {
      const messages = entries.map(({ record }) => messageOf(record, partition))
      const results = await this.#groups.send(partition, messages)
      acknowledgement(results, topic, partition)
      this.#failures = 0
      return undefined
    } catch (error) {
      const type = kafkaErrorType(error)
      if (TOO_LARGE.has(type)) {
        return isAlone ? new LaneError('too_large', `${topic} takes no record of this size`) : 'split'
      }
      this.#failures += 1
      this.#leaders.forget()
      if (this.#failures % FAILURES_UNTIL_RECONNECT === 0) this.#disconnect()
      const fields = { topic, partition, error: type, records: entries.length, failures: this.#failures }
      logger[this.#failures === 1 ? 'warn' : 'debug'](fields, 'a send failed')
      return REFUSED.has(type) ? new LaneError('broker', `${topic}/${partition}: ${type}`) : 'retry'
    }
  }

  #counted(count: number): void {
    const { topic, logger } = this.#options
    const isRight = count === this.partitions
    if (isRight === (this.#fault === undefined)) return
    this.#fault = isRight
      ? undefined
      : `topic ${topic} has ${count} partitions and TOPIC_PARTITIONS is ${this.partitions}: keys would be in wrong partitions`
    if (this.#fault === undefined)
      logger.info({ topic, partitions: count }, 'the topic has its partitions again')
    else
      logger.error(
        { topic },
        `${this.#fault}. Nothing is accepted: set TOPIC_PARTITIONS=${count} and restart`,
      )
  }

  #connected(): Promise<Producer> {
    this.#producer ??= this.#connect()
    return this.#producer
  }

  async #connect(): Promise<Producer> {
    const producer = this.#kafka.producer({
      allowAutoTopicCreation: false,
      createPartitioner: () => explicitPartition,
    })
    try {
      await producer.connect()
      this.#isConnected = true
      return producer
    } catch (error) {
      this.#producer = undefined
      await producer.disconnect().catch(() => undefined)
      throw error
    }
  }

  #disconnect(): void {
    const producer = this.#producer
    this.#producer = undefined
    this.#isConnected = false
    void producer?.then((one) => one.disconnect()).catch(() => undefined)
  }
}
