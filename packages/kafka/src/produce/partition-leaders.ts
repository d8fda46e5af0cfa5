import type { Kafka } from 'kafkajs'

const OLD_MS = 60_000
const AGAIN_MS = 5_000

/** The known leader of each partition of one topic. Looks up unknown leaders in the background. */
export class PartitionLeaders {
  readonly #kafka: Kafka
  readonly #topic: string
  #leaders: ReadonlyMap<number, number> = new Map()
  #lookAt = 0
  #isLooking = false
  readonly #onPartitions: (count: number) => void

  /** Calls `onPartitions` with the partition count of the topic after each lookup. */
  constructor(kafka: Kafka, topic: string, onPartitions: (count: number) => void) {
    this.#kafka = kafka
    this.#topic = topic
    this.#onPartitions = onPartitions
  }

  of(partition: number): number | undefined {
    if (performance.now() >= this.#lookAt) void this.look()
    return this.#leaders.get(partition)
  }

  /** Discards all known leaders. */
  forget(): void {
    this.#leaders = new Map()
    this.#lookAt = performance.now() + AGAIN_MS
  }

  /** Never rejects. After an error the leaders stay unknown. */
  async look(): Promise<void> {
    if (this.#isLooking) return
    this.#isLooking = true
    const askedAt = performance.now()
    const admin = this.#kafka.admin()
    try {
      await admin.connect()
      const { topics } = await admin.fetchTopicMetadata({ topics: [this.#topic] })
      const partitions = topics.flatMap((topic) => topic.partitions)
      if (partitions.length > 0) this.#onPartitions(partitions.length)
      // Not what was true before something failed.
      if (this.#lookAt <= askedAt) {
        this.#leaders = new Map(
          partitions.flatMap(({ partitionId, leader }) =>
            leader < 0 ? [] : [[partitionId, leader] as const],
          ),
        )
        this.#lookAt = askedAt + OLD_MS
      }
    } catch {
      this.forget()
    } finally {
      this.#isLooking = false
      await admin.disconnect().catch(() => undefined)
    }
  }
}
