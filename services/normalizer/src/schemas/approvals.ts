import { approvedShapeKey, decodeApprovedShape, type TopicNames } from '@weir/contracts'
import { openTopicReader, type KafkaSettings, type TopicReader } from '@weir/kafka'
import type { Logger } from '@weir/runtime'

const REFRESH_MS = 1_000

/** Which shapes a person has let pass. Read again every second, and at once before what a replay brings back is decided. */
export class Approvals {
  readonly #settings: KafkaSettings
  readonly #topic: string
  readonly #logger: Logger
  readonly #approved = new Set<string>()
  #reader: TopicReader | undefined
  #next: ReadonlyMap<number, bigint> | undefined
  #reading: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(settings: KafkaSettings, topics: TopicNames, logger: Logger) {
    this.#settings = settings
    this.#topic = topics.schemasApproved
    this.#logger = logger
  }

  has(source: string, fingerprint: string): boolean {
    return this.#approved.has(approvedShapeKey(source, fingerprint))
  }

  /** Reads what is there now. Rejects with a `RetriableError` when the brokers do not answer. */
  async refresh(): Promise<void> {
    // One that has begun may have passed the record that the caller waits for.
    await this.#reading?.catch(() => undefined)
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined
    })
    await this.#reading
  }

  /** True once they were read; begins to read them again and again. */
  async ready(): Promise<void> {
    if (this.#next === undefined) await this.refresh()
    this.#timer ??= setInterval(() => {
      this.refresh().catch((error: unknown) => {
        this.#logger.warn({ error: (error as Error).message }, 'the approved shapes could not be read again')
      })
    }, REFRESH_MS)
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#reading?.catch(() => undefined)
    await this.#reader?.close()
  }

  async #read(): Promise<void> {
    this.#reader ??= await openTopicReader(this.#settings, this.#topic)
    this.#next = await this.#reader.readToEnd((records) => {
      for (const { key, value } of records) {
        const approval = decodeApprovedShape(value)
        if (approval) this.#approved.add(approvedShapeKey(approval.source, approval.fingerprint))
        else if (value === null) this.#approved.delete(key?.toString() ?? '')
      }
    }, this.#next)
  }
}
