import { StateError, type InputRecord, type Maintenance } from '@weir/kafka'
import { ENTRY_BYTES, type Position } from '@weir/seen-keys'
import { StateReading, type DamagedRecord } from '../state-reading.ts'

/** Contents of one partition of the changelog. */
export interface StateSurvey {
  readonly partition: number
  /** Identity in its first record; undefined when there is no record, or the first is another kind of record. */
  readonly identity: string | undefined
  readonly isEmpty: boolean
  readonly position: Position | undefined
  /** Keys of its chunks, including expired ones. */
  readonly keys: number
  readonly damaged: readonly DamagedRecord[]
  /** The offset after the last record that was read. */
  readonly end: bigint
}

/** Reads all of a state partition. */
export const surveyState = async (
  maintenance: Maintenance,
  topic: string,
  partition: number,
): Promise<StateSurvey> => {
  const reading = new StateReading()
  const chunks = new Map<string, number>()
  let identity: string | undefined
  let position: Position | undefined
  let isFirst = true
  let isEmpty = true
  const take = (batch: readonly InputRecord[]): void => {
    isEmpty = false
    for (const record of reading.decode(batch)) {
      if (record.kind === 'identity') identity = isFirst ? record.identity : identity
      else if (record.kind === 'position') position = record.position
      else if (record.kind === 'chunk') chunks.set(record.chunkKey, record.entries.length / ENTRY_BYTES)
      else chunks.delete(record.chunkKey)
      isFirst = false
    }
  }
  const { start } = await maintenance.range(topic, partition)
  const end = await maintenance.read(topic, partition, start, take)
  const keys = [...chunks.values()].reduce((sum, count) => sum + count, 0)
  const { damaged } = reading
  return { partition, identity, isEmpty, position, keys, damaged, end }
}

/**
 * For a claimed partition: rejects with a `StateError` when another owner has written since the survey. After the
 * claim no other owner can write, so the survey stays true.
 */
export const requireUnchanged = async (
  maintenance: Maintenance,
  topic: string,
  { partition, end }: StateSurvey,
): Promise<void> => {
  await maintenance.read(topic, partition, end, () => {
    throw new StateError(
      `${topic}/${partition} changed while it was read: a dedup process is still running. Stop all of them and repeat the command; it continues where it stopped.`,
    )
  })
}
