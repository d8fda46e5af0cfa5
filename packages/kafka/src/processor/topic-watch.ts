import { kafkaErrorType } from '../client/kafka-client.ts'
import { StateError } from '../client/errors.ts'
import type { Cluster } from '../client/kafkajs-internals.ts'
import { partitionsOf } from '../client/offsets.ts'
import type { KafkaLogger } from '../client/settings.ts'

/** A broker that has just started can report a topic as unknown for a short time. */
const MISSES_MAX = 3

/** Throws a `StateError` unless every topic has the configured partition count. The topics are co-partitioned. */
export const requirePartitions = (cluster: Cluster, topics: readonly string[], wanted: number): void => {
  for (const topic of topics) {
    const { length } = partitionsOf(cluster, topic)
    if (length === wanted) continue
    throw new StateError(
      `topic ${topic} has ${length} partitions and ${wanted} are configured: with another count its keys are away from their state; set TOPIC_PARTITIONS=${length} if it has always been so, else stop every service and run \`weir dedup repartition\``,
    )
  }
}

interface TopicWatchOptions {
  readonly cluster: Cluster
  readonly logger: KafkaLogger
  readonly topics: readonly string[]
  readonly partitions: number
  readonly everyMs: number
  readonly onFault: (error: StateError) => void
}

/** Checks the topics periodically. Calls `onFault` once, with a `StateError`, when a partition count has changed. */
export class TopicWatch {
  readonly #options: TopicWatchOptions
  #misses = 0
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor(options: TopicWatchOptions) {
    this.#options = options
    this.#lookLater()
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  #lookLater(): void {
    this.#timer = setTimeout(() => void this.#look(), this.#options.everyMs)
  }

  async #look(): Promise<void> {
    const { cluster, logger, topics, partitions, onFault } = this.#options
    try {
      await cluster.refreshMetadata()
      this.#misses = 0
      requirePartitions(cluster, topics, partitions)
    } catch (error) {
      if (this.#stopped) return
      const type = kafkaErrorType(error)
      this.#misses = type === 'UNKNOWN_TOPIC_OR_PARTITION' ? this.#misses + 1 : 0
      if (error instanceof StateError) {
        onFault(error)
        return
      }
      if (this.#misses === MISSES_MAX) {
        onFault(new StateError(`one of the topics ${topics.join(', ')} does not exist any more`))
        return
      }
      logger.debug({ error: type }, 'the topics could not be looked at')
    }
    if (!this.#stopped) this.#lookLater()
  }
}
