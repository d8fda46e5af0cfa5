import {
  DEAD_LETTER_STAGE_NAMES,
  DEAD_LETTER_STAGES,
  type DeadLetterStage,
  type TopicNames,
} from '@weir/contracts'
import { openTopicReader, type InputRecord, type KafkaSettings, type TopicReader } from '@weir/kafka'

/** Where a letter lies in the topic of its stage. */
export interface LetterPlace {
  readonly partition: number
  readonly offset: bigint
}

/** Reads dead letters, and what became of them, from their topics: by any instance, without a group. */
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

  /** Log start and end of each partition. Letters of transactions that have not ended lie behind the end. */
  async offsets(stage: DeadLetterStage): ReturnType<TopicReader['stableOffsets']> {
    return (await this.#open(stage)).stableOffsets()
  }

  /** Records of one partition from an offset up to an end, until `onRecord` returns false. Returns where to go on. */
  async read(
    stage: DeadLetterStage,
    ...[range, onRecord]: Parameters<TopicReader['readRange']>
  ): Promise<bigint> {
    return (await this.#open(stage)).readRange(range, onRecord)
  }

  /** Every letter of a stage behind a place, in order of partition and offset, until `onRecord` returns false. */
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
