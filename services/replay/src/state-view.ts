import type { TopicNames } from '@weir/contracts'
import { openTopicReader, type KafkaSettings, type TopicReader } from '@weir/kafka'
import { decodeJob, type Job } from './job.ts'
import { Marks } from './marks.ts'

/** What the running instance has committed, as any instance can read it. */
export class StateView {
  readonly marks = new Marks()
  readonly #settings: KafkaSettings
  readonly #topic: string
  readonly #jobs = new Map<string, Job>()
  #reader: TopicReader | undefined
  #next: ReadonlyMap<number, bigint> | undefined
  #reading: Promise<void> | undefined

  constructor(settings: KafkaSettings, topics: TopicNames) {
    this.#settings = settings
    this.#topic = topics.replayState
  }

  /** Reads what has come since; jobs in the order of their requests. */
  async jobs(): Promise<readonly Job[]> {
    await this.refresh()
    return [...this.#jobs.values()].sort((a, b) => a.requestedAt - b.requestedAt)
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
      for (const { key, value } of records) {
        const job = decodeJob(value)
        if (job) this.#jobs.set(job.id, job)
        else this.marks.restore(key, value)
      }
    }, this.#next)
  }
}
