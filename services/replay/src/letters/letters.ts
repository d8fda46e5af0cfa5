import {
  DEAD_LETTER_STAGE_NAMES,
  DEAD_LETTER_STAGES,
  type DeadLetterStage,
  type TopicNames,
} from '@weir/contracts'
import { openTopicReader, type InputRecord, type KafkaSettings, type TopicReader } from '@weir/kafka'

/** The position of a letter in the topic of its stage. */
export interface LetterPlace {
  readonly partition: number
  readonly offset: bigint
}

/** Reads dead letters from their topics. Any instance can do this, without a consumer group. */
export class LetterReader {
  readonly #topics: TopicNames
  readonly #openReader: (topic: string) => Promise<TopicReader>
  readonly #readers = new Map<DeadLetterStage, Promise<TopicReader>>()

  constructor(topics: TopicNames, openReader: (topic: string) => Promise<TopicReader>) {
    this.#topics = topics
    this.#openReader = openReader
  }

  static of(settings: KafkaSettings, topics: TopicNames): LetterReader {
    return new LetterReader(topics, (topic) => openTopicReader(settings, topic))
  }

  /** Log start and last stable offset of each partition. Letters of open transactions lie after the end. */
  async offsets(stage: DeadLetterStage): ReturnType<TopicReader['stableOffsets']> {
    return (await this.#open(stage)).stableOffsets()
  }

  /** Reads records of one partition until `onRecord` returns false. Resolves to the next offset. */
  async read(
    stage: DeadLetterStage,
    ...[range, onRecord]: Parameters<TopicReader['readRange']>
  ): Promise<bigint> {
    return (await this.#open(stage)).readRange(range, onRecord)
  }

  /** Reads the letters of a stage after a place, ordered by partition and offset, until `onRecord` returns false. */
  async readAll(
    stage: DeadLetterStage,
    onRecord: (record: InputRecord) => boolean | Promise<boolean>,
    after?: LetterPlace,
  ): Promise<void> {
    const walk = { goesOn: true }
    const ranges = [...(await this.offsets(stage))].sort(([a], [b]) => a - b)
    for (const [partition, { start, end }] of ranges) {
      if (!walk.goesOn) return
      if (after !== undefined && partition < after.partition) continue
      const from = partition === after?.partition && after.offset >= start ? after.offset + 1n : start
      if (from >= end) continue
      await this.read(stage, { partition, from, end }, async (record) => {
        walk.goesOn = await onRecord(record)
        return walk.goesOn
      })
    }
  }

  async close(): Promise<void> {
    for (const stage of DEAD_LETTER_STAGE_NAMES)
      await (await this.#readers.get(stage)?.catch(() => undefined))?.close()
  }

  #open(stage: DeadLetterStage): Promise<TopicReader> {
    let reader = this.#readers.get(stage)
    if (reader === undefined) {
      reader = this.#openReader(this.#topics[DEAD_LETTER_STAGES[stage].letters])
      reader.catch(() => this.#readers.delete(stage))
      this.#readers.set(stage, reader)
    }
    return reader
  }
}
