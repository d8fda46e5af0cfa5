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

  constructor(kafka: Kafka, topic: string) {
    this.#kafka = kafka
    this.#topic = topic
  }

  of(partition: number): number | undefined {
    if (performance.now() >= this.#lookAt && !this.#isLooking) void this.#look()
    return this.#leaders.get(partition)
  }

  /** What was known is no longer relied on. */
  forget(): void {
    this.#leaders = new Map()
    this.#lookAt = performance.now() + AGAIN_MS
  }

  async #look(): Promise<void> {
    this.#isLooking = true
    const askedAt = performance.now()
    const admin = this.#kafka.admin()
    try {
      await admin.connect()
      const { topics } = await admin.fetchTopicMetadata({ topics: [this.#topic] })
      // Not what was true before something failed.
      if (this.#lookAt <= askedAt) {
        const partitions = topics.flatMap((topic) => topic.partitions)
        this.#leaders = new Map(partitions.map(({ partitionId, leader }) => [partitionId, leader]))
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
