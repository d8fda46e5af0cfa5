import { chunksOf } from '../produce/send-chunks.ts'
import { kafkaErrorType } from '../client/kafka-client.ts'
import { pause, type Clock } from '../client/clock.ts'
import { RetriableError, StateError, TransactionError } from '../client/errors.ts'
import type { OutputRecord } from '../protocol/record.ts'
import type { StartStep, StepHook } from './steps.ts'
import { committedEverywhere, takeOver } from './take-over.ts'
import type {
  ClientTransaction,
  OffsetToCommit,
  OpenTransactionClient,
  TransactionalId,
  TransactionClient,
} from './transaction-client.ts'
import type { ProducerEpoch, TopicPartition, TransactionView } from './transaction-view.ts'
import { clientUntil, viewUntil } from './until-given-up.ts'
import { requireWritten } from './written-places.ts'

/** All barriers have this key, so compaction keeps only the last one. */
export const BARRIER_KEY = Buffer.from('barrier')

/** The offset after the last output, by `topic/partition`. */
export type WrittenOffsets = ReadonlyMap<string, bigint>

/** A retry fails in the same way. An operator must act. */
const HOPELESS = new Set([
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_RECORD',
  'INVALID_TRANSACTION_TIMEOUT',
  'TOPIC_AUTHORIZATION_FAILED',
  'GROUP_AUTHORIZATION_FAILED',
  'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
])

const OFFSET_METADATA_BYTES_MAX = 4_096
/** The coordinator rejected the request without effect. Retry it. */
const BUSY = new Set([
  'CONCURRENT_TRANSACTIONS',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'GROUP_LOAD_IN_PROGRESS',
  'NOT_COORDINATOR_FOR_GROUP',
])
const BUSY_WAIT_MS = 5
const BUSY_WAIT_MS_MAX = 500
const CLOSE_MS_MAX = 1_000

/**
 * The producer of one input partition, with one transaction at a time. Close it after any error. A step that takes
 * longer than 1.5 times the transaction timeout fails with a `TransactionError`, and the producer then sends no further
 * request, because another owner may have taken over.
 *
 * It never aborts. A failed transaction is left to the fence of the next owner, so an epoch that has grown by one since
 * a transaction proves that it was committed (`takeOver`).
 */
export class TransactionalProducer {
  readonly #options: TransactionalProducerOptions
  readonly #client: TransactionClient
  readonly #busyMsMax: number
  readonly #stepMsMax: number
  #own: ProducerEpoch | undefined
  #canLook = true
  /** Resolves once the last transaction has ended on every partition that it wrote to. */
  #ended: Promise<void> = Promise.resolve()
  /** Aborted when a step exceeds its time, and on close. */
  readonly #givenUp = new AbortController()
  /** The last step. Its running request may continue after the step has exceeded its time. */
  #running: Promise<void> = Promise.resolve()

  constructor(options: TransactionalProducerOptions) {
    const { openClient, transactionTimeoutMs } = options
    this.#options = options
    this.#busyMsMax = transactionTimeoutMs / 2
    // The brokers abort a transaction after its timeout.
    this.#stepMsMax = 1.5 * transactionTimeoutMs
    const { signal } = this.#givenUp
    this.#client = clientUntil(signal, openClient(options, signal))
  }

  /**
   * Connects, fences every earlier producer of this id and ends transactions that brokers left open. Stops when the
   * signal is aborted. Rejects with a `StateError` when it is unknown how an open transaction must end.
   */
  async fence(signal?: AbortSignal): Promise<void> {
    const { transactionalId, logger, onStep } = this.#options
    await this.#step('fencing', async () => {
      await this.#client.connect()
      this.#canLook = await this.#client.view.canLook()
      this.#own = await takeOver(
        telling(signal ? viewUntil(signal, this.#client.view) : this.#client.view, (step) =>
          onStep?.(step, []),
        ),
        {
          transactionalId,
          onEnded: ({ topic, partition, from }, outcome) => {
            const fields = { transactionalId, topic, partition, offset: String(from), outcome }
            logger.warn(fields, 'a transaction that the brokers had not ended was ended')
          },
          onUnguarded: () => {
            const message =
              'brokers older than 3.0 cannot tell which transactions they have left open: after an outage of a partition ' +
              'its events can be lost or repeated'
            logger.warn({ transactionalId }, message)
          },
        },
      )
      this.#client.adopt(this.#own)
    })
  }

  /**
   * Writes the barrier to a changelog partition in its own transaction. Resolves with its offset once it is readable:
   * if brokers left out its marker, a reader would wait forever.
   */
  async barrier(topic: string, partition: number, nonce: Buffer): Promise<bigint> {
    return this.#step('writing the barrier', async () => {
      const offset = await this.#transact([{ topic, partition }], async (transaction) => {
        const record = { topic, partition, key: BARRIER_KEY, value: nonce, headers: {} }
        return this.#whenEnded(() => transaction.send({ topic, partition }, [record]))
      })
      await this.#ended
      return offset
    })
  }

  /**
   * Commits outputs and offsets in one transaction. Resolves when the commit is acknowledged, with the offset after the
   * last record of each written partition.
   */
  async commit(
    outputs: readonly OutputRecord[],
    offsets: readonly OffsetToCommit[],
  ): Promise<WrittenOffsets> {
    if (offsets.some(({ metadata }) => Buffer.byteLength(metadata) > OFFSET_METADATA_BYTES_MAX)) {
      throw new RangeError(`offset metadata has more than ${OFFSET_METADATA_BYTES_MAX} bytes`)
    }
    const { onStep, places } = this.#options
    requireWritten(places, outputs)
    return this.#step('the transaction', async () => {
      onStep?.('begin', outputs)
      const offsetsPlace = offsets.length > 0 && this.#canLook ? await this.#client.offsetsPlace() : undefined
      const written = await this.#transact(
        [...placesOf(outputs), ...(offsetsPlace ? [offsetsPlace] : [])],
        async (transaction) => {
          const ends = await this.#sendAll(transaction, outputs)
          onStep?.('outputs-sent', outputs)
          if (offsets.length > 0) {
            await this.#whenEnded(() => transaction.sendOffsets(places.groupId, offsets))
          }
          onStep?.('offsets-sent', outputs)
          return ends
        },
      )
      onStep?.('committed', outputs)
      return written
    })
  }

  /** Resolves once the last transaction has ended on every partition. Rejects with a `TransactionError`. */
  ended(): Promise<void> {
    return this.#ended
  }

  /**
   * Rejects with a `TransactionError` when another owner has taken over: the values read since the fence then come from
   * different owners and prove nothing.
   */
  async requireOwner(): Promise<void> {
    const own = this.#own
    if (own === undefined || !this.#canLook) return
    await this.#step('asking who owns the partition', async () => {
      const last = await this.#whenEnded(() => this.#client.view.describe())
      if (last?.producerId === own.producerId && last.epoch === own.epoch) return
      throw new TransactionError('another owner has come meanwhile')
    })
  }

  /**
   * Disconnects without a long wait for pending responses. The next fence of this id shuts out requests that are still
   * in flight.
   */
  async close(): Promise<void> {
    this.#givenUp.abort(new TransactionError('the producer is closed'))
    // A pending request would connect the client again.
    const disconnected = this.#running.then(() => this.#client.disconnect()).catch(() => undefined)
    await Promise.race([disconnected, pause(this.#options.clock, CLOSE_MS_MAX)])
  }

  /**
   * Begins a transaction after the previous one has ended on every partition, so any open transaction is the last one.
   */
  async #transact<T>(
    places: readonly TopicPartition[],
    run: (transaction: ClientTransaction) => Promise<T>,
  ): Promise<T> {
    await this.#ended
    const transaction = await this.#client.begin()
    const result = await run(transaction)
    await transaction.commit()
    if (places.length > 0 && this.#canLook) {
      // The next batch is processed meanwhile.
      this.#ended = this.#whenEnded(() => committedEverywhere(this.#client.view, this.#own!, places))
      this.#ended.catch(() => undefined)
    }
    return result
  }

  /** Sends to all partitions in parallel, and the chunks of one partition in order. A send never spans two leaders. */
  async #sendAll(transaction: ClientTransaction, outputs: readonly OutputRecord[]): Promise<WrittenOffsets> {
    const written = new Map<string, bigint>()
    const byTarget = new Map<string, OutputRecord[]>()
    for (const output of outputs) {
      const target = `${output.topic}/${output.partition}`
      const list = byTarget.get(target)
      if (list) list.push(output)
      else byTarget.set(target, [output])
    }
    const places = placesOf(outputs)
    if (places.length > 0) await this.#whenEnded(() => transaction.addPartitions(places))
    const sends = [...byTarget.values()].map(async (records) => {
      const { topic, partition } = records[0]!
      for (const chunk of chunksOf(records)) {
        const first = await this.#whenEnded(() => transaction.send({ topic, partition }, chunk))
        written.set(`${topic}/${partition}`, first + BigInt(chunk.length))
        this.#options.onStep?.('part-sent', outputs)
      }
    })
    // Waits for all sends, so none is still running when the producer is closed.
    const failed = (await Promise.allSettled(sends)).find(({ status }) => status === 'rejected')
    if (failed) throw (failed as PromiseRejectedResult).reason
    return written
  }

  /**
   * Retries requests that the coordinator rejected because it is still ending this id's previous transaction or has
   * just moved, and read requests that a broker did not respond to. The rejected requests had no effect.
   */
  async #whenEnded<T>(ask: () => Promise<T>): Promise<T> {
    const { clock } = this.#options
    const deadline = clock.now() + this.#busyMsMax
    for (let waitMs = BUSY_WAIT_MS; ; waitMs = Math.min(BUSY_WAIT_MS_MAX, 2 * waitMs)) {
      try {
        return await ask()
      } catch (error) {
        const canAskAgain = error instanceof RetriableError || BUSY.has(kafkaErrorType(error))
        if (!canAskAgain || clock.now() > deadline) throw error
      }
      await pause(clock, waitMs, this.#givenUp.signal)
    }
  }

  /** kafkajs retries up to six times on a dead connection, each time for the whole timeout, which takes too long. */
  async #step<T>(what: string, run: () => Promise<T>): Promise<T> {
    const running = run()
    this.#running = running.then(
      () => undefined,
      () => undefined,
    )
    const late = Promise.withResolvers<never>()
    const ms = this.#stepMsMax
    const giveUp = (): void => {
      const error = new TransactionError(`${what}: not done after ${ms} ms`)
      this.#givenUp.abort(error)
      late.reject(error)
    }
    const cancel = this.#options.clock.timer(ms, giveUp)
    try {
      return await Promise.race([running, late.promise])
    } catch (error) {
      if (error instanceof TransactionError || error instanceof StateError) throw error
      if (error instanceof RetriableError || error instanceof RangeError) throw error
      const type = kafkaErrorType(error)
      const message = `${what}: ${type}`
      if (HOPELESS.has(type)) throw new StateError(message, { cause: error })
      throw new TransactionError(message, { cause: error })
    } finally {
      cancel()
    }
  }
}

export interface TransactionalProducerOptions extends TransactionalId {
  readonly openClient: OpenTransactionClient
  readonly clock: Clock
  readonly onStep?: StepHook | undefined
}

/** Removes duplicate partitions. */
const placesOf = (outputs: readonly OutputRecord[]): readonly TopicPartition[] => [
  ...new Map(outputs.map(({ topic, partition }) => [`${topic}/${partition}`, { topic, partition }])).values(),
]

/** A view that reports a step after each response, so that a fault test can suspend the process there. */
const telling = (view: TransactionView, tell: (step: StartStep) => void): TransactionView => {
  const reported = async <T>(step: StartStep, request: Promise<T>): Promise<T> => {
    const value = await request
    tell(step)
    return value
  }
  return {
    canLook: () => view.canLook(),
    describe: () => reported('decision-read', view.describe()),
    open: (...of) => reported('open-listed', view.open(...of)),
    init: (timeoutMs) => reported(timeoutMs === undefined ? 'fenced' : 'shut-out', view.init(timeoutMs)),
    abortOngoing: (producerId) => view.abortOngoing(producerId),
    mark: (...of) => reported('marked', view.mark(...of)),
    wait: (ms) => view.wait(ms),
  }
}
