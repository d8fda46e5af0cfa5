import type { UnreadableRange } from '@weir/contracts'
import type { LogRange } from '../client/offsets.ts'
import { StateError } from '../client/errors.ts'
import type { KafkaSettings } from '../client/settings.ts'
import type { InputRecord } from '../protocol/record.ts'
import { openTopicReader, type TopicReader } from '../read/topic-reader.ts'

export interface AuditLogVisitor {
  onRecord(record: InputRecord): void
  /** Called with the offsets of a damaged batch, which is skipped. */
  onUnreadable(range: UnreadableRange): void
}

/**
 * Passes every committed, readable record from offset `from` to the visitor, in order. Returns the range of the log.
 */
export const readAuditLog = async (
  settings: KafkaSettings,
  topic: string,
  visitor: AuditLogVisitor,
  from = 0n,
): Promise<LogRange> => {
  const reader = await openTopicReader(settings, topic)
  try {
    const range = (await reader.stableOffsets()).get(0)!
    const onRecord = (record: InputRecord): void => visitor.onRecord(record)
    let next = from < range.start ? range.start : from
    while (next < range.end) {
      next = await readUntilDamage(reader, next, range.end, onRecord)
      if (next < range.end) next = await passDamage({ settings, topic }, next, range.end, visitor)
    }
    return range
  } finally {
    await reader.close()
  }
}

/**
 * Reads the records before the damaged batch one batch at a time, skips the damaged batch and returns the offset after
 * it.
 */
const passDamage = async (
  { settings, topic }: { readonly settings: KafkaSettings; readonly topic: string },
  from: bigint,
  end: bigint,
  visitor: AuditLogVisitor,
): Promise<bigint> => {
  const reader = await openTopicReader(settings, topic, { fetchBytes: 1 })
  try {
    let damaged = await readUntilDamage(reader, from, end, (record) => visitor.onRecord(record))
    // Control markers may precede the damaged batch.
    while (damaged < end && (await isReadable(reader, damaged, damaged + 1n))) damaged++
    if (damaged === end) return end
    const next = await findReadable(reader, damaged, end)
    visitor.onUnreadable({ from: String(damaged), to: String(next - 1n) })
    return next
  } finally {
    await reader.close()
  }
}

/** Returns `end`, or the offset of an unreadable batch. */
const readUntilDamage = async (
  reader: TopicReader,
  from: bigint,
  end: bigint,
  onRecord: (record: InputRecord) => void,
): Promise<bigint> => {
  let next = from
  try {
    await reader.readRange({ partition: 0, from, end }, (record) => {
      onRecord(record)
      next = record.offset + 1n
      return true
    })
    return end
  } catch (error) {
    if (!isDamage(error)) throw error
    return next
  }
}

/** The length that a damaged batch states is unreliable, so each following offset is tried. */
const findReadable = async (reader: TopicReader, damaged: bigint, end: bigint): Promise<bigint> => {
  for (let from = damaged + 1n; from < end; from++) if (await isReadable(reader, from, from + 1n)) return from
  return end
}

/** True when the batch at `from` can be read, even if it has no readable record. */
const isReadable = async (reader: TopicReader, from: bigint, end: bigint): Promise<boolean> => {
  try {
    await reader.readRange({ partition: 0, from, end }, () => false)
    return true
  } catch (error) {
    if (!isDamage(error)) throw error
    return false
  }
}

const isDamage = (error: unknown): boolean => error instanceof StateError && error.cause !== undefined
