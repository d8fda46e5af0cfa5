import {
  DEAD_LETTER_STAGE_NAMES,
  DEAD_LETTER_STAGES,
  HEADER,
  isDeadLetterReason,
  type TopicNames,
  type WireHeaders,
} from '@weir/contracts'
import {
  openTopicTail,
  type InputRecord,
  type KafkaLogger,
  type KafkaSettings,
  type TailTopic,
  type TopicTail,
} from '@weir/kafka'
import { decodeStateRecord, isPositionKey, StateRecordError, type Position } from '@weir/seen-keys'
import type { Delivery, EventIndex } from './event-index.ts'

export interface FollowOptions {
  readonly settings: KafkaSettings
  readonly logger: KafkaLogger
  readonly topics: TopicNames
  readonly index: EventIndex
  /** How many records of one topic to read back at the start. */
  readonly eventsMax: number
  readonly lettersMax: number
}

/** Records to read back for the position, which ends each transaction. Barriers of restarts may follow it. */
const STATE_RECORDS = 500n

/** Keeps the index up to date with the topics. Resolves when it follows every partition. */
export const followTopics = (options: FollowOptions): Promise<TopicTail> => {
  const { settings, logger, topics, index, eventsMax, lettersMax } = options
  const each = (max: number): bigint => BigInt(Math.ceil(max / settings.topicPartitions))
  const events = { index, back: each(eventsMax), onSkipped: (at: number) => index.skippedEvents(at) }
  const letters = { index, back: each(lettersMax), onSkipped: (at: number) => index.skippedLetters(at) }
  return openTopicTail({
    settings,
    logger,
    clientId: 'weir-console',
    topics: [
      eventTopic(topics.received, events, (key, delivery) => index.received(key, delivery)),
      eventTopic(topics.unique, events, (key, delivery) => index.passed(key, delivery)),
      ...DEAD_LETTER_STAGE_NAMES.map((stage) =>
        eventTopic(topics[DEAD_LETTER_STAGES[stage].letters], letters, (key, delivery, headers) => {
          const { at, partition, offset } = delivery
          index.letter(key, delivery, { stage, reason: reasonOf(headers), at, partition, offset })
        }),
      ),
      stateTopic(topics, index),
    ],
  })
}

interface Reach {
  readonly index: EventIndex
  readonly back: bigint
  readonly onSkipped: (before: number) => void
}

/** Follows a topic whose records have the headers of a webhook. */
const eventTopic = (
  topic: string,
  { back, onSkipped }: Reach,
  add: (key: string, delivery: Delivery, headers: WireHeaders) => void,
): TailTopic => {
  /** Partitions with skipped records: nothing is known before the next record that is read. */
  const skipping = new Set<number>()
  const begun = new Set<number>()
  return {
    topic,
    from: ({ start, end }, partition) => {
      const from = end - back > start ? end - back : start
      if (from > start || begun.has(partition)) skipping.add(partition)
      begun.add(partition)
      return from
    },
    onRecords: (records) => {
      for (const record of records) {
        if (skipping.delete(record.partition)) onSkipped(record.timestamp)
        const key = record.headers[HEADER.eventKey]
        // A record without an event key is not from Weir. Dedup makes a dead letter of it.
        if (key !== undefined) add(key.toString('hex'), deliveryOf(record), record.headers)
      }
    },
  }
}

const deliveryOf = ({ headers, partition, offset, timestamp }: InputRecord): Delivery => ({
  source: headers[HEADER.source]?.toString() ?? 'unknown',
  eventType: headers[HEADER.eventType]?.toString() ?? 'unknown',
  partition,
  offset,
  at: timestamp,
})

const reasonOf = (headers: WireHeaders) => {
  const reason = headers[HEADER.dlqReason]?.toString() ?? ''
  return isDeadLetterReason(reason) ? reason : 'unknown'
}

/** Follows the positions up to which dedup has decided. */
const stateTopic = ({ seen, received }: TopicNames, index: EventIndex): TailTopic => ({
  topic: seen,
  from: ({ start, end }) => (end - STATE_RECORDS > start ? end - STATE_RECORDS : start),
  onRecords: (records) => {
    for (const record of records) {
      const next = isPositionKey(record.key) ? positionIn(record)?.next[received] : undefined
      if (next !== undefined) index.decided(record.partition, next)
    }
  },
})

/** Returns undefined for a damaged record, which the owner of the partition reports. */
const positionIn = (record: InputRecord): Position | undefined => {
  try {
    const state = decodeStateRecord(record)
    return state.kind === 'position' ? state.position : undefined
  } catch (error) {
    if (error instanceof StateRecordError) return undefined
    throw error
  }
}
