import type { FinishedOperation } from '@weir/truth'
import { expect, it } from 'vitest'
import { judge, type Observed } from './judge.ts'

const key = (n: number): string => n.toString(16).padStart(32, '0')
const hash = (n: number): string => n.toString(16).padStart(4, '0').repeat(16)

const event = (n: number, result: FinishedOperation['result'], body = n): FinishedOperation => ({
  source: 'cxone',
  kind: 'event',
  eventKey: key(n),
  rawHash: hash(body),
  result,
})
const row = (n: number, body = n) => ({ source: 'cxone', eventKey: key(n), rawHash: hash(body) })

/** Two events, one of them sent twice, a malformed body, a forged request, and an event without acknowledgement. */
const TRUTH: readonly FinishedOperation[] = [
  event(1, 'acked'),
  event(2, 'unknown'),
  event(2, 'acked'),
  event(3, 'unknown'),
  event(4, 'failed'),
  { source: 'cxone', kind: 'malformed', rawHash: hash(5), result: 'acked' },
  { source: 'cxone', kind: 'forged', rawHash: hash(6), result: 'refused' },
]
const LETTER = { stage: 'dedup' as const, reason: 'invalid_json', ...row(99, 5) }
const FINE: Observed = {
  rows: [row(1), row(2)],
  letters: [LETTER],
  counts: {
    received: 4,
    unique: 2,
    duplicates: 1,
    conflicts: 0,
    deadLettered: 1,
    malformed: 1,
    malformedRepeats: 0,
  },
  topics: { received: 4, unique: { records: 2, repeated: 0 }, normalized: { records: 2, repeated: 0 } },
  staleInteractions: 0,
  influx: { eventsReceived: 3, eventsDeduplicated: 1, eventsRejected: 1 },
  openEnds: [],
  grown: [],
  surprises: [],
  broken: [],
  alarms: [],
  exits: [],
  notDone: [],
  oracle: { findings: [], counted: '4 records' },
}

const failed = (observed: Partial<Observed>, truth = TRUTH): readonly number[] =>
  judge(truth, { ...FINE, ...observed }).invariants.flatMap(({ id, holds }) => (holds ? [] : [id]))

it('finds nothing where nothing is wrong', () => {
  const verdict = judge(TRUTH, FINE)
  expect(verdict.invariants.filter(({ holds }) => !holds)).toEqual([])
  expect(verdict).toMatchObject({ ids: { ok: 3, info: 1, fail: 2 }, lost: 0, duplicated: 0 })
})

it('takes what nobody acknowledged or once', () => {
  expect(failed({ rows: [row(1), row(2), row(3)] })).toEqual([])
  expect(failed({ rows: [row(1), row(2), row(3), row(3)] })).toEqual([2])
})

it('finds what is lost', () => {
  expect(judge(TRUTH, { ...FINE, rows: [row(1)] }).lost).toBe(1)
  expect(failed({ rows: [row(1)] })).toEqual([1])
})

it.each([
  [
    'a second letter',
    { letters: [LETTER, LETTER], counts: { ...FINE.counts, received: 5, deadLettered: 2 } },
    2,
  ],
  ['a row and a letter', { letters: [LETTER, { ...LETTER, ...row(1), stage: 'persistence' as const }] }, 2],
  ['a key twice on a topic', { topics: { ...FINE.topics, unique: { records: 2, repeated: 1 } } }, 2],
  ['a failed event that is there', { rows: [row(1), row(2), row(4)] }, 3],
  ['a forged request that is there', { rows: [row(1), row(2), row(98, 6)] }, 3],
  ['a row that nobody has sent', { rows: [row(1), row(2), row(77)] }, 3],
  ['another body', { rows: [row(1), row(2), row(3, 8)] }, 4],
  ['a stale interaction', { staleInteractions: 1 }, 5],
  ['an open transaction', { openEnds: ['open transaction in a/0'] }, 7],
  ['other repeats in InfluxDB', { influx: { ...FINE.influx!, eventsDeduplicated: 2 } }, 8],
  ['malformed bodies among the events in InfluxDB', { influx: { ...FINE.influx!, eventsReceived: 4 } }, 8],
  ['other malformed bodies in InfluxDB', { influx: { ...FINE.influx!, eventsRejected: 0 } }, 8],
  ['a leak', { grown: ['dedup-1'] }, 9],
  ['an unexpected answer', { surprises: ['1 answers 500'] }, 10],
  ['a service that is not ready', { broken: ['dedup-1'] }, 11],
  ['what the oracle found', { oracle: { findings: ['order: event x'], counted: '' } }, 12],
  ['an oracle that was not asked', { oracle: undefined }, 12],
  ['a transaction that was ended while its owner lived', { alarms: ['dedup-1.1.log: ...'] }, 13],
  ['a process that ended by itself', { exits: ['dedup-1 after 3 s with 1'] }, 14],
  ['a fault that was not done', { notDone: ['servers: kill the leader: no leader'] }, 15],
] satisfies [string, Partial<Observed>, number][])('finds %s', (_, observed, id) => {
  expect(failed(observed)).toContain(id)
})

it.each([
  { counts: { ...FINE.counts, unique: 3 } },
  { topics: { ...FINE.topics, received: 5 } },
  { topics: { ...FINE.topics, unique: { records: 3, repeated: 0 } } },
  { letters: [] },
] satisfies Partial<Observed>[])('finds a ledger that does not add up: %j', (observed) => {
  expect(failed(observed)).toContain(6)
})

it('finds fewer records than acknowledgements', () => {
  expect(failed({}, [...TRUTH, event(1, 'acked'), event(1, 'acked')])).toEqual([6])
})

it('counts both bodies of a contradiction', () => {
  const truth = [...TRUTH, event(1, 'acked', 21)]
  const counts = { ...FINE.counts, received: 5, conflicts: 1 }
  const letter = { stage: 'dedup' as const, reason: 'key_conflict', ...row(1, 21) }
  const observed = {
    counts,
    topics: { ...FINE.topics, received: 5 },
    influx: { eventsReceived: 4, eventsDeduplicated: 1, eventsRejected: 1 },
  }
  expect(failed({ ...observed, letters: [LETTER, letter] }, truth)).toEqual([])
  expect(failed({ ...observed, letters: [LETTER] }, truth)).toEqual([1, 6])
})
