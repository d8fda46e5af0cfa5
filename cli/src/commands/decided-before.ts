import { decodeDedupStats, HEADER, type ProcessorName, type TopicNames } from '@weir/contracts'
import type { InputRecord, Maintenance } from '@weir/kafka'

interface Decided {
  readonly offset: bigint
  readonly why: string
}

/** Number of inputs that are held in memory, by key. Of more inputs only the last are held. */
const INPUTS_MAX = 2_000_000n

/**
 * Where a processor whose offset is lost can continue without losing or repeating anything, derived from what it has
 * written; undefined when that cannot be derived.
 */
export const decidedBefore = async (
  maintenance: Maintenance,
  topics: TopicNames,
  stage: ProcessorName,
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
      return { offset, why: 'after the last letter; events that are already stored are recognised' }
    }
    case 'metric-export':
      return {
        offset: await firstWholeWindow(maintenance, topic, partition, start),
        why: 'the first window that the log holds completely; the same values are written once more',
      }
    case 'replay':
      return { offset: start, why: 'jobs that are done are not done again' }
    // Their positions are in their own state, so no offset has to be found for them.
    case 'dedup':
    case 'normalizer-schemas':
      return undefined
  }
}

const latest = (a: bigint | undefined, b: bigint | undefined, start: bigint): bigint =>
  [a, b].reduce<bigint>((max, one) => (one !== undefined && one > max ? one : max), start)

/** Returns the offset after the last record of the input that became a dead letter. */
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

/** An input that may have been processed, and the next one with the same key. */
interface Input {
  readonly offset: bigint
  readonly timestamp: number
  next?: Input
}

/** How far the clocks of two brokers may differ; shorter than any time after which an event passes dedup again. */
const CLOCK_SLACK_MS = 600_000

/**
 * Returns the offset after the last record of the input whose event was written. A key comes again after dedup has
 * forgotten it, so each event is matched with the first record of its key that was there before it and has no event
 * yet.
 */
const afterEvents = async (
  maintenance: Maintenance,
  events: string,
  topic: string,
  partition: number,
): Promise<bigint | undefined> => {
  const { start, end } = await maintenance.range(topic, partition)
  let after: bigint | undefined
  // Reads the earlier parts only when the later ones hold no match.
  for (let to = end; to > start && after === undefined; to -= INPUTS_MAX) {
    const from = to - INPUTS_MAX > start ? to - INPUTS_MAX : start
    const inputs = await inputsOf(maintenance, topic, partition, { from, to })
    await readAll(maintenance, events, partition, (record) => {
      const key = eventKeyOf(record)
      const input = inputs.get(key)
      if (input === undefined || input.timestamp > record.timestamp + CLOCK_SLACK_MS) return
      if (input.next === undefined) inputs.delete(key)
      else inputs.set(key, input.next)
      if (after === undefined || input.offset >= after) after = input.offset + 1n
    })
  }
  return after
}

/** The first record of each key. */
const inputsOf = async (
  maintenance: Maintenance,
  topic: string,
  partition: number,
  { from, to }: { readonly from: bigint; readonly to: bigint },
): Promise<Map<string, Input>> => {
  const first = new Map<string, Input>()
  const last = new Map<string, Input>()
  await maintenance.read(
    topic,
    partition,
    from,
    (records) => {
      for (const record of records) {
        const input: Input = { offset: record.offset, timestamp: record.timestamp }
        const key = eventKeyOf(record)
        const before = last.get(key) ?? first.get(key)
        if (before === undefined) first.set(key, input)
        else {
          before.next = input
          last.set(key, input)
        }
      }
    },
    to,
  )
  first.delete('')
  return first
}

const eventKeyOf = ({ headers }: InputRecord): string => headers[HEADER.eventKey]?.toString('latin1') ?? ''

/** Windows follow each other in a partition, so only the first window of a truncated log can be incomplete. */
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
