import { openTopicReader, type InputRecord, type KafkaSettings, type TopicReader } from '@weir/kafka'

export interface TopicFollowerOptions {
  readonly settings: KafkaSettings
  readonly topic: string
  /** Receives the records of each look in order; must not throw. */
  readonly onRecords: (records: readonly InputRecord[]) => void
  /** Called at the end of each look. */
  readonly onRead?: () => void
}

/** Keeps a view of a small topic: each look reads, in read_committed, the records since the last one. */
export class TopicFollower {
  readonly #options: TopicFollowerOptions
  #reader: TopicReader | undefined
  #next: ReadonlyMap<number, bigint> | undefined
  #reading: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(options: TopicFollowerOptions) {
    this.#options = options
  }

  /** Reads up to the present end of the topic. Rejects with a `RetriableError` when the brokers do not answer. */
  async refresh(): Promise<void> {
    // A running look may already have passed the record that the caller waits for.
    await this.#reading?.catch(() => undefined)
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined
    })
    await this.#reading
  }

  /** Resolves once the topic has been read to its end; from then on it is read again every `intervalMs`. */
  async follow(intervalMs: number, onError: (error: Error) => void): Promise<void> {
    if (this.#next === undefined) await this.refresh()
    this.#timer ??= setInterval(() => {
      this.refresh().catch(onError)
    }, intervalMs)
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#reading?.catch(() => undefined)
    await this.#reader?.close()
  }

  async #read(): Promise<void> {
    const { settings, topic, onRecords, onRead } = this.#options
    this.#reader ??= await openTopicReader(settings, topic)
    this.#next = await this.#reader.readToEnd(onRecords, this.#next)
    onRead?.()
  }
}
