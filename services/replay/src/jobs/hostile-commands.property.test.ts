import fc from 'fast-check'
import { expect, it } from 'vitest'
import { decodeCommand, decodeJob, encodeJson, jobRequest, NO_COUNTS, type Job } from './job.ts'

const job: Job = {
  ...jobRequest.parse({ kind: 'replay', filter: { stage: 'dedup' }, fixUp: { name: 'n', set: { a: 1 } } }),
  id: 'j',
  requestedBy: 'me',
  requestedAt: 1,
  state: 'waiting',
  cursor: { 0: '5' },
  end: { 0: '9223372036854775807' },
  counts: NO_COUNTS,
  stays: [{ letter: '0/1', why: 'w' }],
  finishedAt: null,
}
const COMMANDS = [
  { kind: 'create', job },
  { kind: 'propose', job: { ...job, letters: 3, approval: { why: ['discard'], expiresAt: 5 } } },
  { kind: 'approve', id: 'j', by: 'bob' },
  { kind: 'cancel', id: 'j' },
  { kind: 'tick', id: 'j', step: 3 },
  { kind: 'expire' },
] as const

it('commands and jobs survive a round trip', () => {
  for (const command of COMMANDS) expect(decodeCommand(encodeJson(command))).toEqual(command)
  expect(decodeJob(encodeJson(job))).toEqual(job)
  expect(decodeCommand(null)).toBeUndefined()
  expect(decodeJob(null)).toBeUndefined()
})

it('a foreign record is neither a command nor a job', () => {
  const garbage = fc.oneof(
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    fc.json().map((text) => Buffer.from(text)),
    fc
      .record({ kind: fc.constantFrom('create', 'cancel', 'tick', 'do'), job: fc.jsonValue(), id: fc.nat() })
      .map((one) => Buffer.from(JSON.stringify(one))),
  )
  fc.assert(
    fc.property(garbage, (value) => {
      expect(decodeCommand(value)).toBeUndefined()
      expect(decodeJob(value)).toBeUndefined()
    }),
    { numRuns: 500 },
  )
})

it.each([
  ['a filter without a stage', { filter: {} }],
  ['an unknown stage', { filter: { stage: 'x' } }],
  ['a cursor that is no offset', { cursor: { 0: 'x' } }],
  ['a cursor that is a number', { cursor: { 0: 5 } }],
  ['an end of no partition', { end: { x: '5' } }],
  ['no counts', { counts: null }],
  ['a rate of nothing', { ratePerSec: 0 }],
  ['an unknown state', { state: 'x' }],
  ['an id that is a list', { id: ['j'] }],
  ['a fix-up that is none', { fixUp: { name: 5 } }],
  ['an approval by nobody', { approval: { why: [], expiresAt: 5, by: null } }],
  ['an approval that never expires', { approval: { why: ['discard'] } }],
  ['an approval until no calendar has a day', { approval: { why: ['discard'], expiresAt: 1e300 } }],
  ['a count that is none', { letters: '5' }],
])('a job with %s is none', (_, change) => {
  const changed = Buffer.from(JSON.stringify({ ...job, ...change }))
  expect(decodeJob(changed)).toBeUndefined()
  expect(
    decodeCommand(Buffer.from(JSON.stringify({ kind: 'create', job: { ...job, ...change } }))),
  ).toBeUndefined()
})
