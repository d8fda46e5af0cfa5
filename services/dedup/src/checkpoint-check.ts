import type { ChangelogPartition } from '@weir/kafka'
import type { Position } from '@weir/seen-keys'
import { FIRST_LOOK_OFFSETS, LOOK_FACTOR, positionOf } from './layout.ts'

export interface LastPosition {
  readonly position: Position
  readonly offset: bigint
}

/** The last position in the topic itself, whatever a checkpoint says. */
export const lastPosition = async (state: ChangelogPartition): Promise<LastPosition | undefined> => {
  const { barrierOffset, logStartOffset } = state
  for (let look = FIRST_LOOK_OFFSETS; ; look *= LOOK_FACTOR) {
    const from = barrierOffset - look > logStartOffset ? barrierOffset - look : logStartOffset
    let last: LastPosition | undefined
    await state.read(from, (records) => {
      for (const record of records) {
        const position = positionOf(record)
        if (position !== undefined) last = { position, offset: record.offset }
      }
    })
    if (last !== undefined || from === logStartOffset) return last
  }
}

/**
 * Why a checkpoint does not belong to this log in its present state; undefined when it does. `from` is the offset up
 * to which the checkpoint includes the topic.
 */
export const checkpointFault = (
  held: Position | undefined,
  from: bigint,
  last: LastPosition | undefined,
): string | undefined => {
  if ((held?.repairs ?? 0) !== (last?.position.repairs ?? 0) && (held !== undefined || from > 0n)) {
    return 'the state was repaired after it was written'
  }
  if (held === undefined) return undefined
  if (last === undefined) return 'it is newer than the topic'
  for (const [topic, offset] of Object.entries(held.next)) {
    const inTopic = last.position.next[topic] ?? -1n
    if (offset > inTopic)
      return `it is newer than the topic: ${topic} at ${offset} here and at ${inTopic} there`
    if (last.offset < from && offset !== inTopic)
      return `the topic has a different position: ${topic} at ${inTopic}`
  }
  return undefined
}
