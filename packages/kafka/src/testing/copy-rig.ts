import { expect, vi } from 'vitest'
import { kafkaCluster } from '../client/kafka-client.ts'
import { committedOffsets, type CommittedOffset } from '../client/offsets.ts'
import type { KafkaSettings } from '../client/settings.ts'
import { silentLogger } from '../client/silent-logger.ts'
import { numbersOn, numbersUpTo, NumberWriter, startCopyProcessor } from './copy-processor.ts'
import type { CopyOptions, CopyProcessor } from './copy-processor.ts'
import { createTopics } from './topics.ts'

export const PATIENCE = { timeout: 20_000, interval: 50 }

/** Copying processors on a real broker. Each test has its own topics and group. */
export class CopyRig {
  readonly settings: KafkaSettings
  input = ''
  second = ''
  output = ''
  service = ''
  #writer: NumberWriter | undefined
  #processors: CopyProcessor[] = []
  #tests = 0

  constructor(settings: KafkaSettings) {
    this.settings = settings
  }

  async open(): Promise<void> {
    this.#tests += 1
    this.service = `copy-${this.#tests}`
    const names = ['in', 'second', 'out'].map((name) => `${name}-${this.#tests}`)
    const [input, second, output] = await createTopics(this.settings, names)
    Object.assign(this, { input, second, output })
    this.#writer = new NumberWriter(this.settings, this.input)
  }

  async close(): Promise<void> {
    await Promise.all(this.#processors.splice(0).map((processor) => processor.stop()))
    await this.writer.close()
  }

  /** Writes to `input`. */
  get writer(): NumberWriter {
    return this.#writer!
  }

  get group(): string {
    return `${this.settings.topicPrefix}${this.service}`
  }

  async createTopic(name: string, topicSettings = {}, partitions?: number): Promise<string> {
    const [topic] = await createTopics(this.settings, [`${name}-${this.#tests}`], topicSettings, partitions)
    return topic!
  }

  async start(options: Partial<CopyOptions> = {}): Promise<CopyProcessor> {
    const { settings, input, output, service } = this
    const processor = await startCopyProcessor({ settings, inputs: [input], output, service, ...options })
    this.#processors.push(processor)
    return processor
  }

  /** Waits until the output has every written number exactly once, in order. */
  copied(): Promise<void> {
    const { settings, output } = this
    return vi.waitFor(
      async () =>
        expect(await numbersOn(settings, output)).toEqual(
          numbersUpTo(this.writer.count, settings.topicPartitions),
        ),
      PATIENCE,
    )
  }

  async committed(
    partition: number,
    { group = this.group, input = this.input } = {},
  ): Promise<CommittedOffset | undefined> {
    const cluster = kafkaCluster({ settings: this.settings, logger: silentLogger, clientId: 'weir-test' })
    await cluster.connect()
    const offsets = await committedOffsets(cluster, group, [input], partition)
    await cluster.disconnect()
    return offsets.get(input)
  }

  /** Waits until the partition is parked with a message that contains the text. */
  parked(processor: CopyProcessor, partition: number, text: string): Promise<void> {
    return vi.waitFor(() => expect(processor.parked.get(partition)?.message).toContain(text), PATIENCE)
  }
}
