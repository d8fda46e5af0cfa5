import type { InputRecord } from '@weir/kafka'
import { decodeStateRecord, StateRecordError, type StateRecord } from '@weir/seen-keys'

export interface DamagedRecord {
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
        this.#damaged.set(name, { offset: record.offset, message: error.message })
        return []
      }
    })
  }

  /** The first damaged record that nothing has replaced. */
  get firstDamaged(): DamagedRecord | undefined {
    let first: DamagedRecord | undefined
    for (const one of this.#damaged.values())
      if (first === undefined || one.offset < first.offset) first = one
    return first
  }
}
