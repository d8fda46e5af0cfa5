import { encodeDedupStats, HEADER, type DedupStats } from '@weir/contracts'
import type { InputRecord } from '@weir/kafka'
import type { SequenceFinding } from './sequence-watch.ts'
import type { DuplicateClass } from './steps/drop-seen.ts'

type Counts = Record<
  | ('received' | 'returned' | 'unique' | 'duplicates' | 'conflicts' | 'deadLettered')
  | ('malformed' | 'malformedRepeats'),
  number
>
export type Decision = 'unique' | 'duplicates' | 'conflicts' | 'deadLettered'
export type Finding = DuplicateClass | SequenceFinding | 'conflict'

const UNKNOWN_SOURCE = Buffer.from('unknown')

interface Entry {
  readonly source: string
  readonly sourceBytes: Buffer
  readonly windowStart: number
  readonly counts: Counts
}

/** Counts one transaction by source and window. `isReplay`: its records are dead letters that a replay returned. */
export class Tally {
  readonly #windowMs: number
  readonly #origin: 'received' | 'returned'
  readonly #entries: Entry[] = []
  readonly #findings = new Map<Finding, number>()
  #last: Entry | undefined

  constructor(windowMs: number, isReplay: boolean) {
    this.#windowMs = windowMs
    this.#origin = isReplay ? 'returned' : 'received'
  }

  add(record: InputRecord, effectiveTime: number, decision: Decision): void {
    const source = record.headers[HEADER.source] ?? UNKNOWN_SOURCE
    const windowStart = Math.floor(effectiveTime / this.#windowMs) * this.#windowMs
    const { counts } = this.#entry(source, windowStart)
    counts[this.#origin] += 1
    counts[decision] += 1
    if (decision === 'conflicts') this.addFinding('conflict')
    if (record.headers[HEADER.intakeError] === undefined) return
    if (this.#origin === 'received') counts.malformed += 1
    if (decision === 'duplicates') counts.malformedRepeats += 1
  }

  addFinding(finding: Finding | undefined): void {
    if (finding !== undefined) this.#findings.set(finding, (this.#findings.get(finding) ?? 0) + 1)
  }

  get findings(): ReadonlyMap<Finding, number> {
    return this.#findings
  }

  /** Totals of all sources. */
  get decisions(): ReadonlyMap<Decision, number> {
    const names = ['unique', 'duplicates', 'conflicts', 'deadLettered'] as const
    const sum = (name: Decision) => this.#entries.reduce((total, { counts }) => total + counts[name], 0)
    return new Map(names.map((name) => [name, sum(name)]))
  }

  /** Records for the stats topic: increments, which are exact because they commit with what they count. */
  records(state: Pick<DedupStats, 'partition' | 'rotations' | 'keysHeld'>): { key: Buffer; value: Buffer }[] {
    return this.#entries.map(({ source, windowStart, counts }) => ({
      key: Buffer.from(`${source}|${windowStart}`),
      value: encodeDedupStats({ source, windowStart, windowMs: this.#windowMs, ...counts, ...state }),
    }))
  }

  /** Cached, because it is nearly always the same as for the previous record. */
  #entry(sourceBytes: Buffer, windowStart: number): Entry {
    const isIt = (entry: Entry) => entry.windowStart === windowStart && entry.sourceBytes.equals(sourceBytes)
    if (this.#last !== undefined && isIt(this.#last)) return this.#last
    let entry = this.#entries.find(isIt)
    if (entry === undefined) {
      const decided = { unique: 0, duplicates: 0, conflicts: 0, deadLettered: 0 }
      const counts = { received: 0, returned: 0, ...decided, malformed: 0, malformedRepeats: 0 }
      entry = { source: sourceBytes.toString(), sourceBytes, windowStart, counts }
      this.#entries.push(entry)
    }
    this.#last = entry
    return entry
  }
}
