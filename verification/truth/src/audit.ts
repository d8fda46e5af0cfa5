import type { Observed, ObservedLetter, ObservedRow, SourceCounts } from './observed.ts'
import type { FinishedOperation } from './operation.ts'
import { applyReturns, type Settled } from './returns.ts'

export interface AuditReport {
  readonly acked: number
  readonly unknown: number
  /** Acknowledged, and neither a row nor a dead letter. */
  readonly lost: number
  /** Rows and dead letters that must not be there. */
  readonly extra: number
  /** Rows of which the ledger knows nothing: somebody else's, not judged. */
  readonly foreign: number
  /** What the counts do not explain, of all sources. */
  readonly ledgerResidue: number
  /** The first findings, for a person. */
  readonly findings: readonly string[]
}

const FINDINGS_MAX = 20

/** Body hashes of one event, or of one malformed body; none: no request with it was ever taken. */
interface Expected {
  readonly source: string
  readonly acked: Set<string>
  readonly maybe: Set<string>
}

/** Collects what is wrong. */
class Findings {
  lost = 0
  extra = 0
  readonly texts: string[] = []

  add(what: 'lost' | 'extra', text: string, count = 1): void {
    this[what] += count
    if (count > 0 && this.texts.length < FINDINGS_MAX) this.texts.push(`${what}: ${text}`)
  }
}

/**
 * Compares what was sent with what is there. Pure; the order of operations does not matter.
 * A letter that was replayed is superseded by what it became: see `applyReturns`.
 */
export const audit = (truth: readonly FinishedOperation[], observed: Observed): AuditReport => {
  const findings = new Findings()
  const { settled, reentered } = applyReturns(observed)
  const { events, bodies, forged } = expectations([...truth, ...reentered])
  auditEvents(events, settled, findings)
  auditBodies(bodies, settled, findings)
  for (const one of [...settled.rows, ...settled.letters]) {
    if (forged.has(bodyOf(one))) findings.add('extra', `a forged request of ${one.source} got in`)
  }
  auditKeys([...truth, ...reentered], events, settled, findings)
  const isForeign = (row: ObservedRow): boolean =>
    !events.has(keyOf(row)) && !forged.has(bodyOf(row)) && !bodies.has(bodyOf(row))
  return {
    acked: truth.filter(({ result }) => result === 'acked').length,
    unknown: truth.filter(({ result }) => result === 'unknown').length,
    foreign: settled.rows.filter(isForeign).length,
    ledgerResidue: residueOf(truth, settled, findings.texts),
    lost: findings.lost,
    extra: findings.extra,
    findings: findings.texts,
  }
}

/**
 * Each event that was taken is one row or one standing letter further on, and each other body with its key is one
 * conflict letter.
 */
const auditEvents = (events: ReadonlyMap<string, Expected>, observed: Settled, findings: Findings): void => {
  const rows = Map.groupBy(observed.rows, keyOf)
  const isConflict = ({ reason }: ObservedLetter): boolean => reason === 'key_conflict'
  const conflicts = Map.groupBy(
    observed.letters.filter(isConflict),
    (letter) => `${keyOf(letter)} ${letter.rawHash}`,
  )
  const downstream = Map.groupBy(
    observed.standing.filter((letter) => !isConflict(letter)),
    keyOf,
  )
  // Which events retention has deleted is not known, only how many: the sums say whether others are missing.
  const deleted = new Map(observed.deletedRows)
  for (const [key, { source, acked, maybe }] of events) {
    const ends = (rows.get(key)?.length ?? 0) + (downstream.get(key)?.length ?? 0)
    if (acked.size + maybe.size === 0) {
      findings.add('extra', `event ${key}, which was never taken`, ends)
      continue
    }
    const left = deleted.get(source) ?? 0
    if (ends === 0 && left > 0) deleted.set(source, left - 1)
    else if (ends === 0 && acked.size > 0) findings.add('lost', `event ${key}`)
    findings.add('extra', `a second row or letter of event ${key}`, Math.max(0, ends - 1))
    const winner = rows.get(key)?.[0]?.rawHash
    if (winner !== undefined && !acked.has(winner) && !maybe.has(winner))
      findings.add('extra', `another body of event ${key}`)
    for (const hash of new Set([...acked, ...maybe])) {
      const letters = conflicts.get(`${key} ${hash}`)?.length ?? 0
      const wins = hash === winner || winner === undefined
      if (!wins && acked.has(hash) && letters === 0) findings.add('lost', `the other body of event ${key}`)
      findings.add('extra', `a conflict letter of event ${key}`, Math.max(0, letters - (wins ? 0 : 1)))
    }
  }
}

/** A body has one key, that of its event: a row under another key repeats it. */
const auditKeys = (
  truth: readonly FinishedOperation[],
  events: ReadonlyMap<string, Expected>,
  observed: Settled,
  findings: Findings,
): void => {
  const known = new Set(truth.filter(({ kind }) => kind === 'event').map(bodyOf))
  for (const row of observed.rows) {
    if (!events.has(keyOf(row)) && known.has(bodyOf(row)))
      findings.add('extra', `a row of another event's body, under the key ${row.eventKey} of ${row.source}`)
  }
}

/** Each malformed body that was taken is one letter of dedup, and nothing else. */
const auditBodies = (bodies: ReadonlyMap<string, Expected>, observed: Settled, findings: Findings): void => {
  const letters = Map.groupBy(
    observed.letters.filter(({ stage, reason }) => stage === 'dedup' && reason !== 'key_conflict'),
    bodyOf,
  )
  for (const [body, { acked, maybe }] of bodies) {
    const count = letters.get(body)?.length ?? 0
    if (count === 0 && acked.size > 0) findings.add('lost', `malformed body ${body}`)
    const countMax = Math.min(1, acked.size + maybe.size)
    findings.add('extra', `a letter too many of malformed body ${body}`, Math.max(0, count - countMax))
  }
  for (const row of observed.rows) {
    if (bodies.has(bodyOf(row))) findings.add('extra', `a row of malformed body ${bodyOf(row)}`)
  }
}

const keyOf = ({ source, eventKey }: { source: string; eventKey: string }): string => `${source} ${eventKey}`
const bodyOf = ({ source, rawHash }: { source: string; rawHash: string }): string => `${source} ${rawHash}`

const expectations = (truth: readonly FinishedOperation[]) => {
  const events = new Map<string, Expected>()
  const bodies = new Map<string, Expected>()
  const forged = new Set<string>()
  for (const operation of truth) {
    const { kind, source, rawHash, eventKey, result } = operation
    if (kind === 'forged') {
      forged.add(bodyOf(operation))
      continue
    }
    const map = kind === 'event' ? events : bodies
    const key = kind === 'event' ? keyOf({ source, eventKey: eventKey! }) : bodyOf(operation)
    const expected = map.get(key) ?? { source, acked: new Set<string>(), maybe: new Set<string>() }
    if (result === 'acked') expected.acked.add(rawHash)
    if (result === 'unknown') expected.maybe.add(rawHash)
    map.set(key, expected)
  }
  return { events, bodies, forged }
}

/**
 * What of the ledger does not add up: see `residueOfSource`, and dedup has decided about every record that it was
 * given.
 */
const residueOf = (truth: readonly FinishedOperation[], observed: Settled, findings: string[]): number => {
  let residue = 0
  const add = (where: string, what: string, difference: number): void => {
    if (difference === 0) return
    residue += Math.abs(difference)
    findings.push(`residue: ${where}: ${what} differ by ${difference}`)
  }
  const sum = (name: 'received' | 'returned'): number =>
    [...observed.counts.values()].reduce((total, counts) => total + counts[name], 0)
  const toDedup = observed.returns.filter(({ stage }) => stage === 'dedup').length
  add('all sources', 'records on the topic and received', observed.onTopic - sum('received'))
  add('all sources', 'replayed to dedup and returned', toDedup - sum('returned'))
  const sources = new Set([
    ...observed.counts.keys(),
    ...observed.rows.map(({ source }) => source),
    ...truth.filter(({ result }) => result === 'acked').map(({ source }) => source),
  ])
  for (const source of sources) {
    for (const [what, difference] of residueOfSource(source, truth, observed)) add(source, what, difference)
  }
  return residue
}

const NO_COUNTS: SourceCounts = {
  received: 0,
  returned: 0,
  unique: 0,
  duplicates: 0,
  conflicts: 0,
  deadLettered: 0,
}

/**
 * received + returned = unique + duplicates + conflicts + dead-lettered; unique = rows + standing letters further on;
 * no fewer received than acknowledged.
 */
const residueOfSource = (
  source: string,
  truth: readonly FinishedOperation[],
  { rows, standing, counts, strangeRows, deletedRows }: Settled,
): [what: string, difference: number][] => {
  const { received, returned, unique, duplicates, conflicts, deadLettered } = counts.get(source) ?? NO_COUNTS
  const ends =
    rows.filter((row) => row.source === source).length -
    (strangeRows?.get(source) ?? 0) +
    (deletedRows?.get(source) ?? 0) +
    standing.filter((letter) => letter.source === source).length
  const acked = truth.filter((one) => one.source === source && one.result === 'acked').length
  return [
    ['received and its parts', received + returned - (unique + duplicates + conflicts + deadLettered)],
    ['unique and rows with letters', unique - ends],
    ['acknowledged and received', Math.max(0, acked - received)],
  ]
}
