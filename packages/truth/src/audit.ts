import type { FinishedOperation } from './operation.ts'

/** A row of the sink. */
export interface ObservedRow {
  readonly source: string
  readonly eventKey: string
  readonly rawHash: string
}

/** A dead letter of any stage. */
export interface ObservedLetter extends ObservedRow {
  readonly stage: 'dedup' | 'normalizer' | 'persistence'
  readonly reason: string
}

/** Sums of one source. */
export interface SourceCounts {
  /** Records on the topic of received webhooks. */
  readonly onTopic: number
  readonly received: number
  readonly unique: number
  readonly duplicates: number
  readonly conflicts: number
  readonly deadLettered: number
}

export interface Observed {
  readonly rows: readonly ObservedRow[]
  readonly letters: readonly ObservedLetter[]
  readonly counts: ReadonlyMap<string, SourceCounts>
}

export interface AuditReport {
  readonly acked: number
  readonly unknown: number
  /** Acknowledged, and neither a row nor a dead letter. */
  readonly lost: number
  /** Rows and dead letters that must not be there. */
  readonly extra: number
  /** Rows of which the ledger knows nothing: somebody else's, not judged. */
  readonly foreign: number
  /** Sum over sources of what the counts do not explain. */
  readonly ledgerResidue: number
  /** The first findings, for a person. */
  readonly findings: readonly string[]
}

const FINDINGS_MAX = 20

interface Expected {
  readonly acked: Set<string>
  readonly maybe: Set<string>
}

/** Compares what was sent with what is there. Pure; the order of operations does not matter. */
export const audit = (truth: readonly FinishedOperation[], observed: Observed): AuditReport => {
  const findings: string[] = []
  let lost = 0
  let extra = 0
  const find = (what: 'lost' | 'extra', text: string): void => {
    if (what === 'lost') lost += 1
    else extra += 1
    if (findings.length < FINDINGS_MAX) findings.push(`${what}: ${text}`)
  }

  const { events, bodies, forged } = expectations(truth)
  const rows = Map.groupBy(observed.rows, keyOf)
  const conflicts = Map.groupBy(
    observed.letters.filter(({ reason }) => reason === 'key_conflict'),
    (letter) => `${keyOf(letter)} ${letter.rawHash}`,
  )
  const downstream = Map.groupBy(
    observed.letters.filter(({ stage, reason }) => stage !== 'dedup' && reason !== 'key_conflict'),
    keyOf,
  )
  const malformed = Map.groupBy(
    observed.letters.filter(({ stage, reason }) => stage === 'dedup' && reason !== 'key_conflict'),
    bodyOf,
  )

  for (const [key, { acked, maybe }] of events) {
    const ends = [...(rows.get(key) ?? []), ...(downstream.get(key) ?? [])]
    if (ends.length === 0 && acked.size > 0) find('lost', `event ${key}`)
    for (const _ of ends.slice(1)) find('extra', `a second row or letter of event ${key}`)
    const winner = rows.get(key)?.[0]?.rawHash
    if (winner !== undefined && !acked.has(winner) && !maybe.has(winner))
      find('extra', `another body of event ${key}`)
    for (const hash of new Set([...acked, ...maybe])) {
      const letters = conflicts.get(`${key} ${hash}`)?.length ?? 0
      const wins = hash === winner || winner === undefined
      if (!wins && acked.has(hash) && letters === 0) find('lost', `the other body of event ${key}`)
      for (let i = wins ? 0 : 1; i < letters; i++) find('extra', `a conflict letter of event ${key}`)
    }
  }
  for (const [body, { acked }] of bodies) {
    const letters = malformed.get(body)?.length ?? 0
    if (letters === 0 && acked.size > 0) find('lost', `malformed body ${body}`)
    for (let i = 1; i < letters; i++) find('extra', `a second letter of malformed body ${body}`)
  }
  for (const one of [...observed.rows, ...observed.letters]) {
    if (forged.has(bodyOf(one))) find('extra', `a forged request of ${one.source} got in`)
  }

  return {
    acked: truth.filter(({ result }) => result === 'acked').length,
    unknown: truth.filter(({ result }) => result === 'unknown').length,
    lost,
    extra,
    foreign: observed.rows.filter((row) => !events.has(keyOf(row)) && !forged.has(bodyOf(row))).length,
    ledgerResidue: residueOf(truth, observed, findings),
    findings,
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
    if (result === 'failed' || result === 'refused') continue
    const map = kind === 'event' ? events : bodies
    const key = kind === 'event' ? keyOf({ source, eventKey: eventKey! }) : bodyOf(operation)
    const expected = map.get(key) ?? { acked: new Set<string>(), maybe: new Set<string>() }
    expected[result === 'acked' ? 'acked' : 'maybe'].add(rawHash)
    map.set(key, expected)
  }
  return { events, bodies, forged }
}

/** For each source: received = unique + duplicates + conflicts + dead-lettered; unique = rows + letters further on; no less received than acknowledged. */
const residueOf = (truth: readonly FinishedOperation[], observed: Observed, findings: string[]): number => {
  let residue = 0
  const add = (source: string, what: string, difference: number): void => {
    if (difference === 0) return
    residue += Math.abs(difference)
    findings.push(`residue: ${source}: ${what} differ by ${difference}`)
  }
  for (const [source, counts] of observed.counts) {
    const ends =
      observed.rows.filter((row) => row.source === source).length +
      observed.letters.filter((letter) => letter.source === source && letter.stage !== 'dedup').length
    const { onTopic, received, unique, duplicates, conflicts, deadLettered } = counts
    add(source, 'records on the topic and received', onTopic - received)
    add(source, 'received and its parts', received - (unique + duplicates + conflicts + deadLettered))
    add(source, 'unique and rows with letters', unique - ends)
    const acked = truth.filter(
      (operation) => operation.source === source && operation.result === 'acked',
    ).length
    add(source, 'acknowledged and received', Math.max(0, acked - received))
  }
  return residue
}
