import type { InputRecord } from '@weir/kafka'
import { decodeStateRecord, StateRecordError, type StateRecord } from '@weir/seen-keys'

export interface DamagedRecord {
  readonly key: Buffer | null
  readonly offset: bigint
  readonly message: string
}

/**
 * Decodes a state partition in order. In a compacted topic the last record of a key counts, so a damaged one is
 * forgiven when another of its key follows; until then nothing after it may be noted as restored, or the next start
 * would pass it over.
 */
export class StateReading {
  readonly #damaged = new Map<string, DamagedRecord>()

  /** What can be read of these records. */
  decode(records: readonly InputRecord[]): readonly StateRecord[] {
    return records.flatMap((record) => {
      const name = record.key?.toString('latin1') ?? ''
      this.#damaged.delete(name)
      try {
        return [decodeStateRecord(record)]
      } catch (error) {
        if (!(error instanceof StateRecordError)) throw error
        // The repair of a record that should not be here at all.
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

  /** The first of them. */
  get firstDamaged(): DamagedRecord | undefined {
    return this.damaged[0]
  }
}
