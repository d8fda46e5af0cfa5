import type { TopicNames } from '@weir/contracts'
import { openTopicReader, type InputRecord, type KafkaSettings, type TopicReader } from '@weir/kafka'
import { STAGE_NAMES, STAGES, type StageName } from './job.ts'

/** Ends a read before the end of the topic. */
class EnoughError extends Error {}

/** Reads dead letters, and what became of them, from their topics: by any instance, without a group. */
export class LetterReader {
  readonly #settings: KafkaSettings
  readonly #topics: TopicNames
  readonly #readers = new Map<StageName, Promise<TopicReader>>()

  constructor(settings: KafkaSettings, topics: TopicNames) {
    this.#settings = settings
    this.#topics = topics
  }

  /** Log start and end of each partition. */
  async offsets(stage: StageName): ReturnType<TopicReader['offsets']> {
    return (await this.#open(stage)).offsets()
  }

  /**
   * Records of one partition from an offset up to an end, until `onRecord` returns false. Returns the next offset:
   * the end when all were read, control markers included.
   */
  async read(
    stage: StageName,
    range: { readonly partition: number; readonly from: bigint; readonly end: bigint },
    onRecord: (record: InputRecord) => boolean | Promise<boolean>,
  ): Promise<bigint> {
    const reader = await this.#open(stage)
    const { partition, end } = range
    const offsets = await reader.offsets()
    const start = offsets.get(partition)?.start ?? 0n
    // What retention has deleted meanwhile is gone.
    let next = range.from < start ? start : range.from
    if (next >= end) return end
    const from = new Map([...offsets].map(([one, { end: last }]) => [one, one === partition ? next : last]))
    try {
      await reader.readToEnd(async (records) => {
        for (const record of records) {
          if (record.partition !== partition) continue
          if (record.offset >= end) throw new EnoughError()
          next = record.offset + 1n
          if (!(await onRecord(record))) throw new EnoughError()
        }
      }, from)
    } catch (error) {
      if (!(error instanceof EnoughError)) throw error
      return next
    }
    return end
  }

  /** Every letter of a stage, in order of partition and offset, until `onRecord` returns false. */
  async readAll(
    stage: StageName,
    onRecord: (record: InputRecord) => boolean | Promise<boolean>,
  ): Promise<void> {
    const walk = { goesOn: true }
    for (const [partition, { start, end }] of await this.offsets(stage)) {
      if (!walk.goesOn) return
      await this.read(stage, { partition, from: start, end }, async (record) => {
        walk.goesOn = await onRecord(record)
        return walk.goesOn
      })
    }
  }

  async close(): Promise<void> {
    for (const stage of STAGE_NAMES) await (await this.#readers.get(stage)?.catch(() => undefined))?.close()
  }

  #open(stage: StageName): Promise<TopicReader> {
    let reader = this.#readers.get(stage)
    if (reader === undefined) {
      reader = openTopicReader(this.#settings, this.#topics[STAGES[stage].letters])
      reader.catch(() => this.#readers.delete(stage))
      this.#readers.set(stage, reader)
    }
    return reader
  }
}
