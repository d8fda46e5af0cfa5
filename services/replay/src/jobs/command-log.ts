import type { TopicNames } from '@weir/contracts'
import { openTopicReader, type KafkaSettings, type TopicReader } from '@weir/kafka'
import { decodeCommand } from './job.ts'

/** Reads the topic of commands ahead of the processor, which handles one command at a time. */
export class CommandLog {
  readonly #open: () => Promise<TopicReader>
  #reader: TopicReader | undefined
  #next = 0n
  /** Offset of the last cancel of each job that was read ahead. */
  readonly #cancels = new Map<string, bigint>()

  constructor(open: () => Promise<TopicReader>) {
    this.#open = open
  }

  static of(settings: KafkaSettings, topics: TopicNames): CommandLog {
    return new CommandLog(() => openTopicReader(settings, topics.replayCommands))
  }

  /**
   * Whether a cancel of the job follows this offset. Without this check, work that always fails would keep the
   * processor from the cancel.
   */
  async isCancelledAfter(offset: bigint, id: string): Promise<boolean> {
    const reader = await this.#opened()
    const { end } = (await reader.stableOffsets()).get(0)!
    const from = this.#next > offset ? this.#next : offset + 1n
    this.#next = await reader.readRange({ partition: 0, from, end }, (record) => {
      const command = decodeCommand(record.value)
      if (command?.kind === 'cancel') this.#cancels.set(command.id, record.offset)
      return true
    })
    for (const [one, at] of this.#cancels) if (at <= offset) this.#cancels.delete(one)
    return this.#cancels.has(id)
  }

  /** Whether the job was ever requested, even if the processor has not handled the request yet. */
  async isRequested(id: string): Promise<boolean> {
    const reader = await this.#opened()
    const { start, end } = (await reader.stableOffsets()).get(0)!
    let isFound = false
    await reader.readRange({ partition: 0, from: start, end }, ({ value }) => {
      const command = decodeCommand(value)
      isFound = command !== undefined && 'job' in command && command.job.id === id
      return !isFound
    })
    return isFound
  }

  async close(): Promise<void> {
    await this.#reader?.close()
  }

  async #opened(): Promise<TopicReader> {
    this.#reader ??= await this.#open()
    return this.#reader
  }
}
