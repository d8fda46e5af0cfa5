import { decodeDedupStats, HEADER, type ConsumingStage, type TopicNames } from '@weir/contracts'
import type { InputRecord, Maintenance } from '@weir/kafka'

interface Decided {
  readonly offset: bigint
  readonly why: string
}

/** So many inputs are held in memory, by their key; of more only the last. */
const INPUTS_MAX = 2_000_000n

/**
 * Where a stage whose offset is gone goes on without losing or repeating anything, by what it has written; undefined
 * where that cannot be told.
 */
export const decidedBefore = async (
  maintenance: Maintenance,
  topics: TopicNames,
  stage: ConsumingStage,
  topic: string,
  partition: number,
): Promise<Decided | undefined> => {
  const { start } = await maintenance.range(topic, partition)
  switch (stage) {
    case 'normalizer': {
      const letters = await afterLetters(maintenance, topics.normalizerDlq, topic, partition)
      const events = await afterEvents(maintenance, topics.normalized, topic, partition)
      const offset = latest(letters, events, start)
      return { offset, why: 'after the last record that became an event or a letter' }
    }
    case 'persistence': {
      const offset = latest(
        await afterLetters(maintenance, topics.persistenceDlq, topic, partition),
        undefined,
        start,
      )
      return { offset, why: 'after the last letter; events that are stored already are found to be' }
    }
    case 'metric-export':
      return {
        offset: await firstWholeWindow(maintenance, topic, partition, start),
        why: 'the first window that the log has whole; the same values are written once more',
      }
    case 'replay':
      return { offset: start, why: 'jobs that are done are not done again' }
    case 'dedup':
    case 'normalizer-schemas':
      return undefined
  }
}

const latest = (a: bigint | undefined, b: bigint | undefined, start: bigint): bigint =>
  [a, b].reduce<bigint>((max, one) => (one !== undefined && one > max ? one : max), start)

/** After the last record of the input that became a letter. */
const afterLetters = async (
  maintenance: Maintenance,
  letters: string,
  topic: string,
  partition: number,
): Promise<bigint | undefined> => {
  let after: bigint | undefined
  await readAll(maintenance, letters, partition, ({ headers }) => {
    const isOfInput =
      headers[HEADER.dlqSourceTopic]?.toString() === topic &&
      headers[HEADER.dlqSourcePartition]?.toString() === String(partition)
    const offset = headers[HEADER.dlqSourceOffset]?.toString() ?? ''
    if (!isOfInput || !/^\d+$/.test(offset)) return
    if (after === undefined || BigInt(offset) >= after) after = BigInt(offset) + 1n
  })
  return after
}

/** After the last record of the input whose event was written. */
const afterEvents = async (
  maintenance: Maintenance,
  events: string,
  topic: string,
  partition: number,
): Promise<bigint | undefined> => {
  const { start, end } = await maintenance.range(topic, partition)
  let after: bigint | undefined
  // The earlier parts only when the later ones have none of them.
  for (let to = end; to > start && after === undefined; to -= INPUTS_MAX) {
    const from = to - INPUTS_MAX > start ? to - INPUTS_MAX : start
    const offsetOf = new Map<string, bigint>()
    const take = (records: readonly InputRecord[]): void => {
      for (const record of records) offsetOf.set(eventKeyOf(record), record.offset)
    }
    await maintenance.read(topic, partition, from, take, to)
    offsetOf.delete('')
    await readAll(maintenance, events, partition, (record) => {
      const offset = offsetOf.get(eventKeyOf(record))
      if (offset !== undefined && (after === undefined || offset >= after)) after = offset + 1n
    })
  }
  return after
}

const eventKeyOf = ({ headers }: InputRecord): string => headers[HEADER.eventKey]?.toString('latin1') ?? ''

/** Windows follow each other in a partition, so only the first of a log that was cut can be there in part. */
const firstWholeWindow = async (
  maintenance: Maintenance,
  topic: string,
  partition: number,
  start: bigint,
): Promise<bigint> => {
  if (start === 0n) return start
  let first: number | undefined
  let found: bigint | undefined
  await readAll(maintenance, topic, partition, ({ value, offset }) => {
    if (value === null || found !== undefined) return
    const { windowStart } = decodeDedupStats(value)
    first ??= windowStart
    if (windowStart > first) found = offset
  })
  return found ?? (await maintenance.range(topic, partition)).end
}

const readAll = async (
  maintenance: Maintenance,
  topic: string,
  partition: number,
  onRecord: (record: InputRecord) => void,
): Promise<void> => {
  const { start } = await maintenance.range(topic, partition)
  await maintenance.read(topic, partition, start, (records) => {
    for (const record of records) onRecord(record)
  })
}
