import type { DeadLetterStage } from '@weir/contracts'
import type { FinishedOperation } from '@weir/truth'

/** A row of the row sink, or a dead letter. */
export interface End {
  readonly source: string
  /** Hex. */
  readonly eventKey: string
  /** Hex sha256 of the body. */
  readonly rawHash: string
}

export interface Letter extends End {
  readonly stage: DeadLetterStage
  readonly reason: string
}

/** Sums of the counts that dedup commits in the transactions that they count. */
export interface LedgerCounts {
  readonly received: number
  readonly unique: number
  readonly duplicates: number
  readonly conflicts: number
  readonly deadLettered: number
  /** The parts of `received` and of `duplicates` that were not valid events. */
  readonly malformed: number
  readonly malformedRepeats: number
}

/** Sums over all points in InfluxDB. */
export interface Points {
  readonly eventsReceived: number
  readonly eventsDeduplicated: number
  readonly eventsRejected: number
}

/** What the deployment has stored once it is quiet. */
export interface StoredState {
  readonly rows: Iterable<End>
  readonly letters: readonly Letter[]
  readonly counts: LedgerCounts
  /**
   * Records on topics, and event keys that occur more than once, as a consumer sees them that reads committed records.
   */
  readonly topics: {
    readonly received: number
    readonly unique: { readonly records: number; readonly repeated: number }
    readonly normalized: { readonly records: number; readonly repeated: number }
  }
  /** Interactions with a row in `interactions` that is not of their highest event. */
  readonly staleInteractions: number
  readonly influx: Points | undefined
}

/** Everything that the judge reads. */
export interface Observed extends StoredState {
  /** Work that had not ended in time. */
  readonly openEnds: readonly string[]
  /** Processes whose memory or descriptors grew beyond the bound. */
  readonly grown: readonly string[]
  /** Statuses that no request of the load may get. */
  readonly surprises: readonly string[]
  /** Services that were not ready at the end. */
  readonly broken: readonly string[]
  /** What the independent oracle found and counted; undefined: it did not run. */
  readonly oracle: { readonly findings: readonly string[]; readonly counted: string } | undefined
  /** Log lines that prove a fault by themselves. */
  readonly alarms: readonly string[]
  /** Processes that ended by themselves, with their last words. */
  readonly exits: readonly string[]
  /** Faults that were planned and could not be inflicted. */
  readonly notDone: readonly string[]
}

export interface Invariant {
  readonly id: number
  readonly name: string
  readonly holds: boolean
  /** What was counted; if it does not hold, the first findings. */
  readonly detail: string
}

export interface JudgeResult {
  readonly invariants: readonly Invariant[]
  /** Ids by the best result of their requests. */
  readonly ids: { readonly ok: number; readonly info: number; readonly fail: number }
  readonly lost: number
  readonly duplicated: number
}

const FINDINGS_MAX = 5

interface Fate {
  readonly rawHash: string
  ok: boolean
  info: boolean
  rows: number
  letters: number
}

/** A key and a body identify an event: another body under the same key is another delivery, which must end too. */
const idOf = (source: string, eventKey: string | undefined, rawHash: string): string =>
  eventKey === undefined ? `${source} ${rawHash}` : `${eventKey} ${rawHash.slice(0, 32)}`

/** Compares what was sent with what is stored. Pure; reads each operation and row once. */
export const judge = (truth: Iterable<FinishedOperation>, observed: Observed): JudgeResult => {
  const fates = new Map<string, Fate>()
  let acked = 0
  for (const { kind, source, eventKey, rawHash, result } of truth) {
    const id = idOf(source, kind === 'event' ? eventKey : undefined, rawHash)
    let fate = fates.get(id)
    if (fate === undefined) {
      fate = { rawHash, ok: false, info: false, rows: 0, letters: 0 }
      fates.set(id, fate)
    }
    if (result === 'acked') acked += 1
    fate.ok ||= result === 'acked'
    fate.info ||= result === 'unknown'
  }
  const neverSent: string[] = []
  const wrongBodies: string[] = []
  const find = ({ source, eventKey, rawHash }: End, known?: Set<string>): Fate | undefined => {
    const fate = fates.get(idOf(source, eventKey, rawHash)) ?? fates.get(idOf(source, undefined, rawHash))
    if (fate !== undefined) return fate
    ;(known?.has(eventKey) ? wrongBodies : neverSent).push(`${source} ${eventKey}`)
    return undefined
  }
  const keys = new Set([...fates.keys()].map((id) => id.slice(0, 32)))
  for (const row of observed.rows) {
    const fate = find(row, keys)
    if (fate !== undefined) fate.rows += 1
  }
  for (const letter of observed.letters) {
    const fate = find(letter, keys)
    if (fate !== undefined) fate.letters += 1
  }
  return conclude([...fates], observed, { acked, neverSent, wrongBodies })
}

/** What is wrong about the ids of what was sent. */
interface IdFindings {
  readonly lost: readonly string[]
  readonly duplicated: readonly string[]
  /** Stored although every request failed. */
  readonly leaked: readonly string[]
  readonly neverSent: readonly string[]
  readonly wrongBodies: readonly string[]
}

const conclude = (
  fates: readonly (readonly [string, Fate])[],
  observed: Observed,
  found: { acked: number } & Pick<IdFindings, 'neverSent' | 'wrongBodies'>,
): JudgeResult => {
  const idsWhere = (test: (fate: Fate) => boolean): string[] =>
    fates.flatMap(([id, fate]) => (test(fate) ? [id] : []))
  const ends = ({ rows, letters }: Fate): number => rows + letters
  const ok = fates.filter(([, fate]) => fate.ok).length
  const info = fates.filter(([, fate]) => !fate.ok && fate.info).length
  const ids = { ok, info, fail: fates.length - ok - info }
  const findings: IdFindings = {
    lost: idsWhere((fate) => fate.ok && ends(fate) === 0),
    duplicated: idsWhere((fate) => ends(fate) > 1),
    leaked: idsWhere((fate) => !fate.ok && !fate.info && ends(fate) > 0),
    ...found,
  }
  return {
    invariants: [
      ...idInvariants(ids, findings, observed),
      ...countInvariants(observed, found.acked),
      ...processInvariants(observed),
    ],
    ids,
    lost: findings.lost.length,
    duplicated: findings.duplicated.length + repeatedKeys(observed),
  }
}

const repeatedKeys = ({ topics: { unique, normalized } }: Observed): number =>
  unique.repeated + normalized.repeated

const idInvariants = (
  ids: JudgeResult['ids'],
  { lost, duplicated, leaked, neverSent, wrongBodies }: IdFindings,
  observed: Observed,
): Invariant[] => {
  const { unique, normalized } = observed.topics
  const repeated = repeatedKeys(observed)
  return [
    invariant(1, 'every ok id is once in the row sink or once in a dead-letter topic', lost, `${ids.ok} ids`),
    invariant(
      2,
      'no id is there twice: rows, dead letters, unique and normalized topics',
      [...duplicated, ...(repeated > 0 ? [`${repeated} repeated keys on the topics`] : [])],
      `${unique.records} unique, ${normalized.records} normalized`,
    ),
    invariant(
      3,
      'no failed id is there, none that was never sent, and no info id twice',
      [...leaked, ...neverSent.map((id) => `never sent: ${id}`)],
      `${ids.fail} failed, ${ids.info} info`,
    ),
    invariant(4, 'every stored body has the hash of the one that was sent', wrongBodies, 'all equal'),
  ]
}

const countInvariants = (observed: Observed, acked: number): Invariant[] => {
  const { influx, counts, staleInteractions, openEnds } = observed
  return [
    invariant(
      5,
      'the latest state of each interaction is that of its highest sequence',
      staleInteractions > 0 ? [`${staleInteractions} interactions`] : [],
      'all',
    ),
    invariant(
      6,
      'received = unique + duplicates + conflicts + dead-lettered',
      ledgerFaults(observed, acked),
      describe(counts),
    ),
    invariant(
      7,
      'when quiet: no lag, last stable offset = high watermark, no open transaction',
      openEnds,
      'quiet',
    ),
    invariant(
      8,
      'the totals in InfluxDB are the ledger’s',
      influx === undefined ? [] : influxFaults(influx, counts),
      influx === undefined ? 'not checked: InfluxDB is not built here' : `${influx.eventsReceived} received`,
    ),
  ]
}

const processInvariants = (observed: Observed): Invariant[] => [
  invariant(9, 'no process grows in memory or descriptors beyond the bound', observed.grown, 'none'),
  invariant(10, 'every response is one that the contract allows', observed.surprises, 'all'),
  invariant(11, 'every service is ready at the end', observed.broken, 'all'),
  invariant(
    12,
    'the independent oracle finds nothing wrong',
    observed.oracle?.findings ?? ['it was not asked'],
    observed.oracle?.counted ?? '',
  ),
  invariant(13, 'no transaction was ended while its owner lived', observed.alarms, 'none'),
  invariant(14, 'no process ended by itself', observed.exits, 'none'),
  invariant(15, 'every planned fault was done', observed.notDone, 'all'),
]

const invariant = (id: number, name: string, findings: readonly string[], fine: string): Invariant => {
  const more = findings.length - FINDINGS_MAX
  const shown = findings.slice(0, FINDINGS_MAX).join('; ')
  return {
    id,
    name,
    holds: findings.length === 0,
    detail: findings.length === 0 ? fine : `${shown}${more > 0 ? ` and ${more} more` : ''}`,
  }
}

const describe = ({ received, unique, duplicates, conflicts, deadLettered }: LedgerCounts): string =>
  `${received} = ${unique} + ${duplicates} + ${conflicts} + ${deadLettered}`

/** A send that is repeated after a lost reply may write twice, so the received count has no upper bound. */
const ledgerFaults = ({ counts, topics, letters }: Observed, acked: number): string[] => {
  const { received, unique, duplicates, conflicts, deadLettered } = counts
  const faults: string[] = []
  const equal = (what: string, one: number, other: number): void => {
    if (one !== other) faults.push(`${what}: ${one} and ${other}`)
  }
  equal('received and its parts', received, unique + duplicates + conflicts + deadLettered)
  equal('received and records on the topic', received, topics.received)
  equal('unique and records on the topic', unique, topics.unique.records)
  equal(
    'conflicts and dead-lettered, and letters of dedup',
    conflicts + deadLettered,
    letters.filter(({ stage }) => stage === 'dedup').length,
  )
  if (topics.received < acked)
    faults.push(`${acked} requests were acknowledged, ${topics.received} are on the topic`)
  return faults
}

const influxFaults = (influx: NonNullable<Observed['influx']>, counts: LedgerCounts): string[] => {
  const { received, duplicates, malformed, malformedRepeats } = counts
  const compared = [
    ['received', influx.eventsReceived, received - malformed],
    ['deduplicated', influx.eventsDeduplicated, duplicates - malformedRepeats],
    ['rejected', influx.eventsRejected, malformed],
  ] as const
  return compared
    .filter(([, points, ledger]) => points !== ledger)
    .map(([what, points, ledger]) => `${what}: ${points}, ledger ${ledger}`)
}
