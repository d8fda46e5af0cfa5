import type { TopicNames } from '@weir/contracts'
import { openTopicReader, type KafkaSettings, type TopicReader } from '@weir/kafka'
import type { Job } from './job.ts'
import { JobTable } from './job-table.ts'
import type { Marks } from './marks.ts'

/** What the running instance has committed, as any instance can read it. */
export class StateView {
  readonly #table = new JobTable()
  readonly #settings: KafkaSettings
  readonly #topic: string
  #reader: TopicReader | undefined
  #next: ReadonlyMap<number, bigint> | undefined
  #reading: Promise<void> | undefined

  constructor(settings: KafkaSettings, topics: TopicNames) {
    this.#settings = settings
    this.#topic = topics.replayState
  }

  get marks(): Marks {
    return this.#table.marks
  }

  /** Reads what has come since; the latest job first. */
  async jobs(): Promise<readonly Job[]> {
    await this.refresh()
    return this.#table.all()
  }

  async refresh(): Promise<void> {
    await this.#reading?.catch(() => undefined)
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined
    })
    await this.#reading
  }

  async close(): Promise<void> {
    await this.#reader?.close()
  }

  async #read(): Promise<void> {
    this.#reader ??= await openTopicReader(this.#settings, this.#topic)
    this.#next = await this.#reader.readToEnd((records) => {
      for (const { key, value } of records) this.#table.apply(key, value)
    }, this.#next)
  }
}
