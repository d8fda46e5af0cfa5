import type { InputRecord, Maintenance } from '@weir/kafka'
import { ENTRY_BYTES, type Position } from '@weir/seen-keys'
import { StateReading, type DamagedRecord } from '../state-reading.ts'

/** What one partition of the state topic holds. */
export interface StateSurvey {
  readonly partition: number
  /** Of its first record; undefined: there is none, or the first record is another. */
  readonly identity: string | undefined
  readonly isEmpty: boolean
  readonly position: Position | undefined
  /** Keys of its chunks, expired ones included. */
  readonly keys: number
  readonly damaged: readonly DamagedRecord[]
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
  await maintenance.read(topic, partition, start, take)
  const keys = [...chunks.values()].reduce((sum, count) => sum + count, 0)
  const { damaged } = reading
  return { partition, identity, isEmpty, position, keys, damaged }
}
