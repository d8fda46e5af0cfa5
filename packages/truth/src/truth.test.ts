import { appendFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import {
  audit,
  readTruth,
  TruthLedger,
  type FinishedOperation,
  type Observed,
  type ObservedLetter,
} from './index.ts'

const SOURCE = 's'
const operation = fc.record({
  source: fc.constant(SOURCE),
  kind: fc.constantFrom('event' as const, 'event' as const, 'malformed' as const, 'forged' as const),
  key: fc.nat(8),
  body: fc.nat(2),
  result: fc.constantFrom('acked' as const, 'acked' as const, 'unknown' as const, 'failed' as const),
})

const finished = ({
  source,
  kind,
  key,
  body,
  result,
}: typeof operation extends fc.Arbitrary<infer T> ? T : never): FinishedOperation => ({
  ...{ source, kind, rawHash: `${kind}-${key}-${body}`, result: kind === 'forged' ? 'refused' : result },
  ...(kind === 'event' && { eventKey: `key-${key}` }),
})

/** What a correct pipeline leaves: of the unknown ones, those that `arrives` says. */
const perfect = (truth: readonly FinishedOperation[], arrives: (index: number) => boolean): Observed => {
  const rows = new Map<string, { source: string; eventKey: string; rawHash: string }>()
  const letters = new Map<string, ObservedLetter>()
  const counts = { onTopic: 0, received: 0, unique: 0, duplicates: 0, conflicts: 0, deadLettered: 0 }
  for (const [index, { source, kind, eventKey = '', rawHash, result }] of truth.entries()) {
    if (kind === 'forged' || result === 'failed' || (result === 'unknown' && !arrives(index))) continue
    counts.onTopic += 1
    counts.received += 1
    const there = rows.get(eventKey)
    const id = `${eventKey} ${rawHash}`
    if (kind === 'event' && there === undefined) {
      rows.set(eventKey, { source, eventKey, rawHash })
      counts.unique += 1
    } else if (there?.rawHash === rawHash || letters.has(id)) {
      counts.duplicates += 1
    } else {
      const reason = kind === 'event' ? 'key_conflict' : 'invalid_json'
      letters.set(id, { source, eventKey, rawHash, stage: 'dedup', reason })
      counts[kind === 'event' ? 'conflicts' : 'deadLettered'] += 1
    }
  }
  return { rows: [...rows.values()], letters: [...letters.values()], counts: new Map([[SOURCE, counts]]) }
}

const arbitrary = fc
  .tuple(fc.array(operation, { maxLength: 40 }), fc.infiniteStream(fc.boolean()))
  .map(([list, coins]) => {
    const truth = list.map(finished)
    const arriving: boolean[] = truth.map(() => coins.next().value === true)
    return { truth, observed: perfect(truth, (index) => arriving[index]!) }
  })

it('finds nothing in what a correct pipeline leaves', () => {
  fc.assert(
    fc.property(arbitrary, ({ truth, observed }) => {
      expect(audit(truth, observed)).toMatchObject({
        lost: 0,
        extra: 0,
        ledgerResidue: 0,
        foreign: 0,
        findings: [],
      })
    }),
    { numRuns: 500 },
  )
})

it('finds each acknowledged event that is gone', () => {
  fc.assert(
    fc.property(arbitrary, fc.nat(), ({ truth, observed }, at) => {
      const acked = new Set(truth.filter(({ result }) => result === 'acked').map(({ eventKey }) => eventKey))
      const candidates = observed.rows.filter(({ eventKey }) => acked.has(eventKey))
      fc.pre(candidates.length > 0)
      const gone = candidates[at % candidates.length]
      const rows = observed.rows.filter((row) => row !== gone)
      const report = audit(truth, { ...observed, rows })
      expect(report.lost).toBeGreaterThan(0)
      expect(report.ledgerResidue).toBeGreaterThan(0)
    }),
  )
})

it('finds each row and letter that is there twice, and each dead letter that is gone', () => {
  fc.assert(
    fc.property(arbitrary, ({ truth, observed }) => {
      for (const row of observed.rows) {
        expect(audit(truth, { ...observed, rows: [...observed.rows, row] }).extra).toBeGreaterThan(0)
      }
      for (const letter of observed.letters) {
        expect(audit(truth, { ...observed, letters: [...observed.letters, letter] }).extra).toBeGreaterThan(0)
      }
    }),
  )
  const truth: FinishedOperation[] = [{ source: SOURCE, kind: 'malformed', rawHash: 'x', result: 'acked' }]
  expect(audit(truth, { rows: [], letters: [], counts: new Map() }).lost).toBe(1)
})

it('finds what was forged, and leaves alone what is not ours', () => {
  const truth: FinishedOperation[] = [{ source: SOURCE, kind: 'forged', rawHash: 'x', result: 'refused' }]
  const row = { source: SOURCE, eventKey: 'k', rawHash: 'x' }
  expect(audit(truth, { rows: [row], letters: [], counts: new Map() })).toMatchObject({
    extra: 1,
    foreign: 0,
  })
  const other = { ...row, rawHash: 'y' }
  expect(audit(truth, { rows: [other], letters: [], counts: new Map() })).toMatchObject({
    extra: 0,
    foreign: 1,
  })
})

it('finds counts that do not add up', () => {
  const counts = { onTopic: 5, received: 5, unique: 2, duplicates: 1, conflicts: 0, deadLettered: 1 }
  expect(audit([], { rows: [], letters: [], counts: new Map([[SOURCE, counts]]) }).ledgerResidue).toBe(3)
})

it('keeps what was sent over a kill: a torn line is left out, an unanswered request is unknown', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-truth-'))
  try {
    const ledger = TruthLedger.open(folder, 'run')
    const event = { source: SOURCE, kind: 'event' as const, eventKey: 'k', rawHash: 'h' }
    const [first, second] = ledger.intend([event, { ...event, rawHash: 'i' }])
    ledger.finish(second!, 'acked')
    expect(readTruth(folder).map(({ result }) => result)).toEqual(['unknown', 'unknown'])
    ledger.flush()
    appendFileSync(join(folder, readdirSync(folder)[0]!), `["result","${first!}","ack`)
    expect(readTruth(folder).map(({ result }) => result)).toEqual(['unknown', 'acked'])
    ledger.close()
    const again = TruthLedger.open(folder, 'other')
    again.intend([event])
    again.close()
    expect(readTruth(folder)).toHaveLength(3)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
