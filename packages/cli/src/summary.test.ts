import type { Examination } from '@weir/observer'
import { expect, it } from 'vitest'
import { describeSummary, summarise } from './summary.ts'

const EXAMINATION: Examination = {
  totals: {
    ...{ onTopic: 10, toDedup: 0, received: 10, returned: 0 },
    ...{ unique: 6, duplicates: 2, conflicts: 1, deadLettered: 1 },
    ...{ downstreamLetters: 1, rows: 5 },
  },
  influx: { eventsReceived: 10, eventsDeduplicated: 2 },
  waitingFor: [],
  report: {
    ...{ acked: 10, unknown: 1, lost: 0, extra: 0, foreign: 2, ledgerResidue: 0, findings: [] },
  },
  findings: [],
  ok: true,
}
const RUN = { accepted: 9, start_secs: 4.2, rss_mb: { weir: 100 }, latency: { p50: 20, p99: 90 } }

it('has the names that the documentation gives', () => {
  expect(summarise(EXAMINATION, RUN)).toEqual({
    ...{ accepted: 9, unique: 6, duplicates: 2, conflicts: 1, dead_lettered: 2, rows: 5 },
    ...{ lost: 0, extra: 0, ledger_residue: 0, unknown: 1, foreign: 2 },
    ...{ influx: { events_received: 10, events_deduplicated: 2 }, e2e_ms: { p50: 20, p99: 90 } },
    ...{ start_secs: 4.2, rss_mb: { weir: 100 }, findings: [], ok: true },
  })
})

it('says plainly whether all is right, and why not', () => {
  const good = describeSummary(summarise(EXAMINATION, RUN))
  expect(good).toMatch(/Every event is where it must be\.$/)
  const findings = ['lost: event x']
  const bad = { ...EXAMINATION, findings, ok: false, report: { ...EXAMINATION.report, lost: 1 } }
  expect(describeSummary(summarise(bad, RUN))).toMatch(/lost 1 [^]*lost: event x\nNOT RIGHT/)
})

it('leaves out what was not there to be measured', () => {
  const summary = summarise({ ...EXAMINATION, influx: undefined }, { ...RUN, latency: undefined })
  expect(summary).toMatchObject({ influx: null, e2e_ms: null })
  expect(describeSummary(summary)).not.toMatch(/InfluxDB|end to end/)
})
