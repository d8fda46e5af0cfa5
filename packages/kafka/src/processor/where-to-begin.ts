import type { ClusterReads } from '../read/cluster-reads.ts'
import { StateError } from '../client/errors.ts'
import { requireInRange, type CommittedOffset, type LogRange } from '../client/offsets.ts'
import { readPartition } from '../read/read-partition.ts'
import type { OutputRecord } from '../protocol/record.ts'
import type { ProcessorOptions } from './processor-options.ts'
import { beginningOf, encodeStart, readStarts, type Known, type Start } from './starts.ts'
import type { OffsetToCommit } from '../transactions/transaction-client.ts'
import type { TransactionalProducer } from '../transactions/transactional-producer.ts'

export interface InputStart {
  readonly topic: string
  readonly offset: bigint
  /** High watermark. */
  readonly end: bigint
}

interface Options {
  readonly processor: ProcessorOptions
  readonly partition: number
  readonly groupId: string
  readonly reads: ClusterReads
  readonly producer: TransactionalProducer
  readonly signal: AbortSignal
  /** Committed offsets of the group by topic, read after the fence. */
  readonly committed: ReadonlyMap<string, CommittedOffset>
  /** Positions of the task's state by topic. */
  readonly positions: ReadonlyMap<string, bigint | undefined>
}

/**
 * The start offset of a partition in each input topic. Commits the notes of new starts with their offsets before any
 * record is read. Rejects with a `StateError` when the start is unknown, or when the state and the group differ, and
 * with an `OffsetOutOfRangeError` when the log does not contain the offset.
 */
export const whereToBegin = async (options: Options): Promise<readonly InputStart[]> => {
  const { processor, partition, groupId, reads, producer, signal, positions } = options
  const place = { topic: processor.startsTopic, partition }
  const noted = await readStarts(reads, place, groupId, processor.inputs, signal)
  const notes: OutputRecord[] = []
  const offsets: OffsetToCommit[] = []
  const starts: InputStart[] = []
  for (const topic of processor.inputs) {
    const range = await reads.logRange(topic, partition)
    const start = noted.get(topic)
    const position = await positionOf(options, topic, start, range)
    const { offset, isNew } = decide(options, topic, start, range, position)
    requireInRange(topic, partition, offset, range, remedyOf(options, topic, positions.has(topic)))
    if (isNew) offsets.push({ topic, partition, offset, metadata: '' })
    if (start === undefined) {
      const isUnread = isNew || (positions.has(topic) && positions.get(topic) === undefined)
      notes.push(encodeStart(place, groupId, topic, { from: isUnread ? offset : undefined }))
    }
    starts.push({ topic, offset, end: range.end })
  }
  if (notes.length > 0) await producer.commit(notes, offsets)
  return starts
}

/**
 * The position of the task's state, or the group's offset if no readable record lies between the two. Earlier versions
 * committed only the offset after control markers.
 */
const positionOf = async (
  { reads, partition, signal, committed, positions }: Options,
  topic: string,
  start: Start | undefined,
  range: LogRange,
): Promise<Known['position']> => {
  if (!positions.has(topic)) return 'not kept'
  const own = positions.get(topic)
  const position = own ?? 'nothing read'
  const offset = committed.get(topic)?.offset
  const from = own ?? start?.from ?? 0n
  if (offset === undefined || from > offset || from < range.start || offset > range.end) return position
  const between: bigint[] = []
  const take = (records: readonly { readonly offset: bigint }[]) => {
    between.push(...records.map((record) => record.offset).filter((one) => one < offset))
    return true
  }
  await readPartition(reads, { topic, partition, from, end: offset }, take, signal)
  return between.length > 0 ? position : offset
}

const decide = (
  options: Options,
  topic: string,
  start: Start | undefined,
  range: LogRange,
  position: Known['position'],
): { readonly offset: bigint; readonly isNew: boolean } => {
  const { partition, groupId, committed } = options
  const keepsPositions = position !== 'not kept'
  const known = committed.get(topic)?.offset
  const beginning = beginningOf({ committed: known, start, position })
  const where = `${topic}/${partition}`
  const remedy = remedyOf(options, topic, keepsPositions)
  const state = typeof position === 'bigint' ? `offset ${position}` : 'its beginning'
  switch (beginning.kind) {
    case 'new':
      return { offset: range.start, isNew: true }
    case 'known':
      return { offset: beginning.offset, isNew: false }
    case 'lost':
      throw new StateError(
        keepsPositions
          ? `${where}: the state is at ${state}, and the offset of group ${groupId}, which commits with it, is gone. ${remedy}`
          : `${where}: group ${groupId} has read here and has no offset any more: it was deleted, or it expired while ` +
              `the service was stopped. ${remedy}`,
      )
    case 'unequal':
      throw new StateError(
        `${where}: the state is at ${state} and the offset of group ${groupId}, which commits with it, is ${known}: ` +
          `the state is not the latest, or the offset was changed. ${remedy}`,
      )
  }
}

/** A sentence that says how to repair the partition. */
const remedyOf = ({ processor, partition }: Options, topic: string, keepsPositions: boolean): string =>
  keepsPositions
    ? (processor.repair?.(partition) ?? '')
    : `Look at \`weir offsets show --service ${processor.service} --partition ${partition}\`, then run ` +
      `\`weir offsets set --service ${processor.service} --topic ${topic} --partition ${partition} --to <offset>\`.`
