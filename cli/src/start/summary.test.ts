import type { Examination } from '@weir/observer'
import type { OracleReport } from '@weir/oracle'
import { expect, it } from 'vitest'
import { describeSummary, summarise } from './summary.ts'

const EXAMINATION: Examination = {
  totals: {
    onTopic: 10,
    toDedup: 0,
    received: 10,
    returned: 0,
    unique: 6,
    duplicates: 2,
    conflicts: 1,
    deadLettered: 1,
    malformed: 1,
    malformedRepeats: 0,
    downstreamLetters: 1,
    rows: 5,
  },
  influx: { eventsReceived: 9, eventsDeduplicated: 2, eventsRejected: 1 },
  waitingFor: [],
  report: { acked: 10, unknown: 1, lost: 0, extra: 0, foreign: 2, ledgerResidue: 0, findings: [] },
  findings: [],
  ok: true,
}
const ORACLE: OracleReport = {
  ok: true,
  found: { lost: 0, extra: 0, order: 0, wrong: 0, sums: 0, open: 0 },
  findings: [],
  counted: {
    requests: 12,
    received: 10,
    events: 6,
    unique: 6,
    normalized: 6,
    rows: 5,
    letters: 3,
    repeats: 2,
    foreign: 2,
  },
  unchecked: [],
}
const RUN = {
  isSent: true,
  mismatches: [],
  accepted: 9,
  start_secs: 4.2,
  rss_mb: { weir: 100 },
  latency: { p50: 20, p99: 90 },
  independent: { kind: 'asked', report: ORACLE } as const,
}

it('has the names that the documentation gives', () => {
  expect(summarise(EXAMINATION, RUN)).toEqual({
    accepted: 9,
    unique: 6,
    duplicates: 2,
    conflicts: 1,
    dead_lettered: 2,
    rows: 5,
    lost: 0,
    extra: 0,
    ledger_residue: 0,
    unknown: 1,
    foreign: 2,
    influx: { events_received: 9, events_deduplicated: 2, events_rejected: 1 },
    e2e_ms: { p50: 20, p99: 90 },
    start_secs: 4.2,
    rss_mb: { weir: 100 },
    findings: [],
    ok: true,
    independent: ORACLE,
    independent_not_run: null,
  })
})

it('reports whether all is right, and if not, why', () => {
  const good = describeSummary(summarise(EXAMINATION, RUN))
  expect(good).toMatch(/Every event is where it must be\.$/)
  const findings = ['lost: event x']
  const bad = { ...EXAMINATION, findings, ok: false, report: { ...EXAMINATION.report, lost: 1 } }
  expect(describeSummary(summarise(bad, RUN))).toMatch(/lost 1 [^]*lost: event x\n[^]*NOT RIGHT/)
})

it('is right only when the independent check agrees, and reports when that did not run', () => {
  const findings = ['order: an event came late']
  const report = { ...ORACLE, ok: false, found: { ...ORACLE.found, order: 1 }, findings }
  const bad = summarise(EXAMINATION, { ...RUN, independent: { kind: 'asked', report } })
  expect(bad.ok).toBe(false)
  expect(describeSummary(bad)).toMatch(/DISAGREES[^]*order 1[^]*order: an event came late\nNOT RIGHT/)
  const independent = { kind: 'not-run', reason: 'there is no JDK' } as const
  const alone = summarise(EXAMINATION, { ...RUN, independent })
  expect(alone).toMatchObject({ ok: true, independent: null, independent_not_run: 'there is no JDK' })
  expect(describeSummary(alone)).toMatch(/NOT RUN: there is no JDK\nEvery event/)
})

it('is wrong when nothing was accepted, or a valid request was refused', () => {
  const nothing = summarise(EXAMINATION, { ...RUN, accepted: 0 })
  expect(nothing.ok).toBe(false)
  expect(describeSummary(nothing)).toMatch(/nothing was accepted[^]*NOT RIGHT/)
  // Without a simulator nothing is expected.
  expect(summarise(EXAMINATION, { ...RUN, accepted: 0, isSent: false }).ok).toBe(true)
  const refused = summarise(EXAMINATION, { ...RUN, mismatches: ['7 requests of cxone got status 404'] })
  expect(refused.ok).toBe(false)
  expect(describeSummary(refused)).toMatch(/refused: 7 requests of cxone got status 404: .*\n[^]*NOT RIGHT/)
})

it('omits figures that were not measured', () => {
  const summary = summarise({ ...EXAMINATION, influx: undefined }, { ...RUN, latency: undefined })
  expect(summary).toMatchObject({ influx: null, e2e_ms: null })
  expect(describeSummary(summary)).not.toMatch(/InfluxDB|end to end/)
})
