import type { Kafka } from 'kafkajs'

const OLD_MS = 60_000
const AGAIN_MS = 5_000

/** Which broker leads each partition of one topic, as far as known: what is not known is looked up meanwhile. */
export class PartitionLeaders {
  readonly #kafka: Kafka
  readonly #topic: string
  #leaders: ReadonlyMap<number, number> = new Map()
  #lookAt = 0
  #isLooking = false
  readonly #onPartitions: (count: number) => void

  /** `onPartitions` gets the topic's partition count at each look. */
  constructor(kafka: Kafka, topic: string, onPartitions: (count: number) => void) {
    this.#kafka = kafka
    this.#topic = topic
    this.#onPartitions = onPartitions
  }

  of(partition: number): number | undefined {
    if (performance.now() >= this.#lookAt) void this.look()
    return this.#leaders.get(partition)
  }

  /** What was known is no longer relied on. */
  forget(): void {
    this.#leaders = new Map()
    this.#lookAt = performance.now() + AGAIN_MS
  }

  /** Never rejects: what cannot be found out is not known. */
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
