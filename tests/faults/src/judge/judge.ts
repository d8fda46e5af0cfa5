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

/** Sums of the counts that dedup commits with what they count. */
export interface LedgerCounts {
  readonly received: number
  readonly unique: number
  readonly duplicates: number
  readonly conflicts: number
  readonly deadLettered: number
  /** Of `received` and of `duplicates`: not valid events. */
  readonly malformed: number
  readonly malformedRepeats: number
}

/** Sums over all points in InfluxDB. */
export interface Points {
  readonly eventsReceived: number
  readonly eventsDeduplicated: number
  readonly eventsRejected: number
}

/** What the pipeline has left once it is quiet. */
export interface Left {
  readonly rows: Iterable<End>
  readonly letters: readonly Letter[]
  readonly counts: LedgerCounts
  /**
   * Records on topics, and event keys that are there more than once, as a consumer that reads committed records sees
   * them.
   */
  readonly topics: {
    readonly received: number
    readonly unique: { readonly records: number; readonly repeated: number }
    readonly normalized: { readonly records: number; readonly repeated: number }
  }
  /** Interactions whose row in `interactions` is not their highest event's. */
  readonly staleInteractions: number
  readonly influx: Points | undefined
}

/** All that is judged. */
export interface Observed extends Left {
  /** What had not come to its end in time. */
  readonly openEnds: readonly string[]
  /** Processes whose memory or descriptors grew beyond the bound. */
  readonly grown: readonly string[]
  /** Statuses that no request of ours may get. */
  readonly surprises: readonly string[]
  /** Services that were not ready at the end. */
  readonly broken: readonly string[]
  /** What the independent oracle found; what it counted; undefined: it was not asked. */
  readonly oracle: { readonly findings: readonly string[]; readonly counted: string } | undefined
  /** Lines of logs that alone prove a fault. */
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
  /** What was counted; when it does not hold, the first findings. */
  readonly detail: string
}

export interface Verdict {
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

/** An event is its key and its body: another body under the same key is another delivery, which must end too. */
const idOf = (source: string, eventKey: string | undefined, rawHash: string): string =>
  eventKey === undefined ? `${source} ${rawHash}` : `${eventKey} ${rawHash.slice(0, 32)}`

/** Compares what was sent with what is there. Pure; takes each operation and row once. */
export const judge = (truth: Iterable<FinishedOperation>, observed: Observed): Verdict => {
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
  const strangers: string[] = []
  const wrongBodies: string[] = []
  const find = ({ source, eventKey, rawHash }: End, known?: Set<string>): Fate | undefined => {
    const fate = fates.get(idOf(source, eventKey, rawHash)) ?? fates.get(idOf(source, undefined, rawHash))
    if (fate !== undefined) return fate
    ;(known?.has(eventKey) ? wrongBodies : strangers).push(`${source} ${eventKey}`)
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
  return conclude([...fates], observed, { acked, strangers, wrongBodies })
}

const conclude = (
  fates: readonly (readonly [string, Fate])[],
  observed: Observed,
  found: { acked: number; strangers: readonly string[]; wrongBodies: readonly string[] },
): Verdict => {
  const idsWhere = (test: (fate: Fate) => boolean): string[] =>
    fates.flatMap(([id, fate]) => (test(fate) ? [id] : []))
  const ends = ({ rows, letters }: Fate): number => rows + letters
  const lost = idsWhere((fate) => fate.ok && ends(fate) === 0)
  const doubled = idsWhere((fate) => ends(fate) > 1)
  const leaked = idsWhere((fate) => !fate.ok && !fate.info && ends(fate) > 0)
  const { topics, influx, counts } = observed
  const repeated = topics.unique.repeated + topics.normalized.repeated
  const ok = fates.filter(([, fate]) => fate.ok).length
  const info = fates.filter(([, fate]) => !fate.ok && fate.info).length
  const invariants = [
    invariant(1, 'every ok id is once in the row sink or once in a dead-letter topic', lost, `${ok} ids`),
    invariant(
      2,
      'no id is there twice: rows, dead letters, unique and normalized topics',
      [...doubled, ...(repeated > 0 ? [`${repeated} repeated keys on the topics`] : [])],
      `${topics.unique.records} unique, ${topics.normalized.records} normalized`,
    ),
    invariant(
      3,
      'no failed id is there, none that was never sent, and no info id twice',
      [...leaked, ...found.strangers.map((id) => `never sent: ${id}`)],
      `${fates.length - ok - info} failed, ${info} info`,
    ),
    invariant(4, 'every stored body has the hash of the one that was sent', found.wrongBodies, 'all equal'),
    invariant(
      5,
      'the latest state of each interaction is that of its highest sequence',
      observed.staleInteractions > 0 ? [`${observed.staleInteractions} interactions`] : [],
      'all',
    ),
    invariant(
      6,
      'received = unique + duplicates + conflicts + dead-lettered',
      ledgerFaults(observed, found.acked),
      describe(counts),
    ),
    invariant(
      7,
      'when quiet: no lag, last stable offset = high watermark, no open transaction',
      observed.openEnds,
      'quiet',
    ),
    invariant(
      8,
      'the totals in InfluxDB are the ledger’s',
      influx === undefined ? [] : influxFaults(influx, counts),
      influx === undefined ? 'not checked: InfluxDB is not built here' : `${influx.eventsReceived} received`,
    ),
    invariant(9, 'no process grows in memory or descriptors beyond the bound', observed.grown, 'none'),
    invariant(10, 'every answer is one that the contract allows', observed.surprises, 'all'),
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
  return {
    invariants,
    ids: { ok, info, fail: fates.length - ok - info },
    lost: lost.length,
    duplicated: doubled.length + repeated,
  }
}

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

/** A send that is repeated after a lost reply may write twice, so what is received has no bound from above. */
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
