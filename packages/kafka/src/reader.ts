import type { InputRecord } from './record.ts'
import type { KafkaSettings } from './settings.ts'

/** Reads a whole topic, read_committed, without a group: for audits, tools and tests. */
export interface TopicReader {
  readonly topic: string
  /** Per partition: log start and high watermark. */
  offsets(): Promise<ReadonlyMap<number, { readonly start: bigint; readonly end: bigint }>>
  /** Every readable record from `from` (default: log start) of each partition to the end as it is now. Returns the next offsets, to go on from later. */
  readToEnd(
    onRecords: (records: readonly InputRecord[]) => void | Promise<void>,
    from?: ReadonlyMap<number, bigint>,
  ): Promise<ReadonlyMap<number, bigint>>
  close(): Promise<void>
}

export declare const openTopicReader: (settings: KafkaSettings, topic: string) => Promise<TopicReader>
