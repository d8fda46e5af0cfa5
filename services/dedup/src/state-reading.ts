import type { InputRecord } from '@weir/kafka'
import { decodeStateRecord, StateRecordError, type StateRecord } from '@weir/seen-keys'

export interface DamagedRecord {
  readonly key: Buffer | null
  readonly offset: bigint
  readonly message: string
}

/**
 * Decodes a state partition in order. In a compacted topic the last record of a key counts, so a damaged record is
 * forgiven when another one with its key follows. Until then nothing after it may be recorded as restored, or the next
 * start would skip it.
 */
export class StateReading {
  readonly #damaged = new Map<string, DamagedRecord>()

  /** Returns the readable ones of these records. */
  decode(records: readonly InputRecord[]): readonly StateRecord[] {
    return records.flatMap((record) => {
      const name = record.key?.toString('latin1') ?? ''
      this.#damaged.delete(name)
      try {
        return [decodeStateRecord(record)]
      } catch (error) {
        if (!(error instanceof StateRecordError)) throw error
        // A tombstone repairs a record that should not be here at all.
        if (record.value === null && record.key !== null) return []
        this.#damaged.set(name, { key: record.key, offset: record.offset, message: error.message })
        return []
      }
    })
  }

  /** Damaged records that nothing has replaced, by offset. */
  get damaged(): readonly DamagedRecord[] {
    return [...this.#damaged.values()].sort((a, b) => (a.offset < b.offset ? -1 : 1))
  }

  /** The first damaged record. */
  get firstDamaged(): DamagedRecord | undefined {
    return this.damaged[0]
  }
}
