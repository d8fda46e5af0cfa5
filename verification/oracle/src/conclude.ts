import { nameOf, type Body, type Book, type Event } from './book.ts'
import type { DeletedRows } from './evidence/database.ts'
import { NORMALIZED, RECEIVED, STATS, UNIQUE } from './evidence/dump.ts'
import type { FindingKind, Findings } from './findings.ts'
import type { InfluxSums } from './evidence/influx.ts'
import type { RepeatedContent } from './repeated-content.ts'
import type { SeenState } from './evidence/seen-state.ts'

export interface JudgeOptions {
  /** Nothing else sends to this deployment or writes to its database, and its partition count never changed. */
  readonly isAlone: boolean
  /** The dedup window: within it a key passes once. */
  readonly windowMs: number
  readonly topicPrefix: string
  /** Sources whose identities a sources file defines, so that the oracle does not know their rules. */
  readonly unknownSources?: ReadonlySet<string>
}

type BySource = Map<string, number>

export interface Claims {
  received: number
  returned: number
  unique: number
  duplicates: number
  conflicts: number
  deadLettered: number
}

/** What was counted, each by itself: none is made of the others. */
export interface Counted {
  sent: number
  readonly received: BySource
  readonly returned: BySource
  readonly unique: BySource
  normalized: number
  rows: number
  /** Records of a body that had come before. */
  readonly repeats: BySource
  /** Part of `received` and of `repeats`: malformed bodies. */
  readonly malformed: BySource
  readonly malformedRepeats: BySource
  /** Of those, some that came so late that they may pass again. */
  late: number
  /** On the topic of unique ones, after the window. */
  passedAgain: number
  readonly conflictLetters: BySource
  readonly otherLetters: BySource
  /** Letters of normalizer and persistence that did not return. */
  downstream: number
  /** What dedup says of itself. */
  readonly claimed: Map<string, Claims>
  foreign: number
  sealed: number
  /** Topics that do not begin at 0 any more. */
  readonly truncated: Set<string>
  /** Epoch ms of the last record. */
  lastAt: number
  influx: InfluxSums | undefined
  /** Rows that retention has deleted, by its receipts. */
  deleted: DeletedRows
}

export const emptyCounts = (): Counted => ({
  sent: 0,
  received: new Map(),
  returned: new Map(),
  unique: new Map(),
  normalized: 0,
  rows: 0,
  repeats: new Map(),
  malformed: new Map(),
  malformedRepeats: new Map(),
  late: 0,
  passedAgain: 0,
  conflictLetters: new Map(),
  otherLetters: new Map(),
  downstream: 0,
  claimed: new Map(),
  foreign: 0,
  sealed: 0,
  truncated: new Set(),
  lastAt: 0,
  influx: undefined,
  deleted: new Map(),
})

export interface OracleReport {
  readonly ok: boolean
  readonly found: Readonly<Record<FindingKind, number>>
  /** The first of each kind. */
  readonly findings: readonly string[]
  readonly counted: {
    readonly requests: number
    readonly received: number
    readonly events: number
    readonly unique: number
    readonly normalized: number
    readonly rows: number
    readonly letters: number
    readonly repeats: number
    readonly foreign: number
  }
  /** What could not be compared, and why. */
  readonly unchecked: readonly string[]
}

const sum = (counts: ReadonlyMap<string, number>): number => [...counts.values()].reduce((a, b) => a + b, 0)

export const conclude = (
  book: Book,
  seen: SeenState,
  contents: RepeatedContent,
  counted: Counted,
  findings: Findings,
  options: JudgeOptions,
): OracleReport => {
  const isWhole = !counted.truncated.has(RECEIVED)
  seen.settle(book, findings, isWhole)
  contents.conclude(findings, counted.lastAt)
  for (const body of book.bodies.values()) concludeBody(body, findings, options.isAlone, isWhole)
  // Which events retention has deleted is not known, only how many: the sums say whether others are missing.
  const deleted = new Map(counted.deleted)
  for (const event of book.events.values()) concludeEvent(event, findings, deleted)
  for (const event of book.events.values()) {
    const isHeld = event.isSeen || event.unique === 0 || counted.lastAt - event.uniqueAt >= options.windowMs
    if (!isHeld) findings.add('lost', `the key of ${nameOf(event)} in dedup.seen.v1`)
  }
  for (const { isStored, hasState, name } of book.entities.values()) {
    if (isStored && !hasState)
      findings.add('lost', `the latest state of an interaction of ${name.split('|')[0]!}`)
  }
  const unchecked = concludeSums(counted, findings)
  if (book.unknownSources.size > 0)
    unchecked.push(
      `identities and content keys of ${[...book.unknownSources].join(', ')}: their rules are not known here, so they are taken from the records`,
    )
  if (counted.sealed > 0) unchecked.push(`the bodies of ${counted.sealed} letters: they are sealed or cut`)
  const counts = findings.counts
  return {
    ok: Object.values(counts).every((count) => count === 0),
    found: counts,
    findings: findings.texts,
    unchecked,
    counted: {
      requests: counted.sent,
      received: sum(counted.received),
      events: book.events.size,
      unique: sum(counted.unique),
      normalized: counted.normalized,
      rows: counted.rows,
      letters: sum(counted.conflictLetters) + sum(counted.otherLetters) + counted.downstream,
      repeats: sum(counted.repeats),
      foreign: counted.foreign,
    },
  }
}

/**
 * A body that was sent is on the topic as often as it was acknowledged at least, and a malformed or other one is a
 * letter.
 */
const concludeBody = (body: Body, findings: Findings, isAlone: boolean, isWhole: boolean): void => {
  const { kind, acked, unknown, records, letters, event, rows } = body
  if (isWhole && acked > records)
    findings.add('lost', `${nameOf(body)}: acknowledged ${acked} times, ${records} times on ${RECEIVED}`)
  if (records === 0) return
  if (kind === 'forged') findings.add('extra', `a forged request got in: ${nameOf(body)}`, records)
  else if (kind !== undefined && acked + unknown === 0)
    findings.add('extra', `${nameOf(body)}, which no request took in`, records)
  else if (kind === undefined && isAlone)
    findings.add('extra', `${nameOf(body)}, which was never sent`, records)
  if (kind !== undefined && body.isMalformed !== (kind === 'malformed') && kind !== 'forged')
    findings.add('wrong', `${nameOf(body)} was sent as ${kind}`)
  if (body.misplaced > 0 && body.misplacedLetters === 0)
    findings.add('lost', `the letter of ${nameOf(body)} in a wrong partition`)
  const isPlaced = records > body.misplaced + body.repeatedContent
  if (body.isMalformed && isPlaced && letters === 0) findings.add('lost', `the letter of ${nameOf(body)}`)
  const isOther = isPlaced && event !== undefined && event.body !== body && event.body.sha256 !== body.sha256
  if (isOther && letters === 0 && event.letters.sealed === 0)
    findings.add('lost', `the letter of the other body of ${nameOf(event)}`)
  findings.add('extra', `another row with ${nameOf(body)}`, rows - 1)
}

/** An event passes each stage once, and ends as one row or one letter. */
const concludeEvent = (event: Event, findings: Findings, deleted: Map<string, number>): void => {
  const { unique, normalized, rows, letters } = event
  const ends = rows + letters.dedup + letters.normalizer + letters.persistence
  if (unique + letters.dedup === 0) findings.add('lost', `${nameOf(event)} on ${UNIQUE}`)
  else if (unique > 0 && normalized + letters.normalizer === 0)
    findings.add('lost', `${nameOf(event)} on ${NORMALIZED}`)
  else if (ends === 0) concludeRow(event, findings, deleted)
  findings.add('extra', `another end of ${nameOf(event)}`, ends - 1)
}

const concludeRow = (event: Event, findings: Findings, deleted: Map<string, number>): void => {
  const source = event.entity.name.split('|')[0]!
  const left = deleted.get(source) ?? 0
  if (left > 0) deleted.set(source, left - 1)
  else findings.add('lost', `the row of ${nameOf(event)}`)
}

const concludeSums = (counted: Counted, findings: Findings): string[] => {
  if (counted.truncated.size > 0)
    return [`sums: retention has deleted the beginning of ${[...counted.truncated].join(', ')}`]
  const { received, returned, unique, conflictLetters, otherLetters, repeats, claimed } = counted
  const of = (counts: BySource, source: string): number => counts.get(source) ?? 0
  for (const [source, claims] of claimed) {
    const compare = (what: string, claim: number, count: number): void =>
      findings.equal(`${source}: ${what} by ${STATS}, and counted`, claim, count)
    compare('received', claims.received, of(received, source))
    compare('returned', claims.returned, of(returned, source))
    compare('unique', claims.unique, of(unique, source))
    compare('conflicts', claims.conflicts, of(conflictLetters, source))
    compare('dead-lettered', claims.deadLettered, of(otherLetters, source))
    if (counted.late === 0) compare('duplicates', claims.duplicates, of(repeats, source))
  }
  for (const source of [...received.keys()].filter((name) => !claimed.has(name)))
    findings.add('sums', `${source}: received, and not in ${STATS}`)
  const passed = sum(unique) - counted.passedAgain
  const ends = counted.rows + sum(counted.deleted) + counted.downstream
  findings.equal('unique, and rows with later letters', passed, ends)
  const { influx } = counted
  if (influx !== undefined) {
    const rejected = sum(counted.malformed)
    findings.equal('received in InfluxDB, and events on the topic', influx.received, sum(received) - rejected)
    findings.equal('rejected in InfluxDB, and malformed bodies on the topic', influx.rejected, rejected)
    if (counted.late === 0) {
      const wanted = sum(repeats) - sum(counted.malformedRepeats)
      findings.equal('deduplicated in InfluxDB, and repeats of events', influx.deduplicated, wanted)
    }
  }
  return counted.late === 0 ? [] : [`duplicates: ${counted.late} repeats came after the dedup window`]
}
