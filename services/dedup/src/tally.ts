import { encodeDedupStats, HEADER, type DedupStats } from '@weir/contracts'
import type { InputRecord } from '@weir/kafka'

type Counts = Pick<
  DedupStats,
  'received' | 'unique' | 'duplicates' | 'conflicts' | 'deadLettered' | 'rejected'
>
export type Decision = 'unique' | 'duplicates' | 'conflicts' | 'deadLettered'

const UNKNOWN_SOURCE = 'unknown'

/** Counts one transaction by source and window. */
export class Tally {
  readonly #windowMs: number
  readonly #counts = new Map<
    string,
    { source: string; windowStart: number; counts: Record<keyof Counts, number> }
  >()

  constructor(windowMs: number) {
    this.#windowMs = windowMs
  }

  add(record: InputRecord, effectiveTime: number, decision: Decision): void {
    const source = record.headers[HEADER.source]?.toString() ?? UNKNOWN_SOURCE
    const windowStart = Math.floor(effectiveTime / this.#windowMs) * this.#windowMs
    const name = `${source}|${windowStart}`
    let entry = this.#counts.get(name)
    if (entry === undefined) {
      const counts = { received: 0, unique: 0, duplicates: 0, conflicts: 0, deadLettered: 0, rejected: 0 }
      entry = { source, windowStart, counts }
      this.#counts.set(name, entry)
    }
    entry.counts.received += 1
    entry.counts[decision] += 1
    if (record.headers[HEADER.answered]?.toString() === 'rejected') entry.counts.rejected += 1
  }

  /** Records for the stats topic: increments, exact because they commit with what they count. */
  records(state: Pick<DedupStats, 'partition' | 'rotations' | 'keysHeld'>): { key: Buffer; value: Buffer }[] {
    return [...this.#counts].map(([name, { source, windowStart, counts }]) => ({
      key: Buffer.from(name),
      value: encodeDedupStats({ source, windowStart, windowMs: this.#windowMs, ...counts, ...state }),
    }))
  }
}
