import { HEADER } from '@weir/contracts'
import { parseExactJson } from '@weir/exact-json'
import { expect, it } from 'vitest'
import { applyFixUp } from '../jobs/fix-up.ts'
import {
  decodeCommand,
  encodeJson,
  fixUp,
  jobRequest,
  letterFilter,
  NO_COUNTS,
  type Job,
} from '../jobs/job.ts'
import { matches, readLetter } from './letter.ts'

const letter = readLetter(
  'normalizer',
  {
    topic: 't',
    partition: 1,
    offset: 2n,
    timestamp: 5,
    key: Buffer.from('nice|int-1'),
    value: Buffer.from('{}'),
    headers: {
      [HEADER.dlqReason]: Buffer.from('unmappable'),
      [HEADER.source]: Buffer.from('nice'),
      [HEADER.eventKey]: Buffer.alloc(16, 0xab),
      [HEADER.dlqShape]: Buffer.from('f1'),
      [HEADER.firstFailedAt]: Buffer.from('1000'),
      [HEADER.lastFailedAt]: Buffer.from('2000'),
    },
  },
  'pending_inspection',
)
const isMatched = (wanted: object) => matches(letter, letterFilter.parse({ stage: 'normalizer', ...wanted }))

it.each([
  ['reason', 'unmappable', 'invalid_json'],
  ['source', 'nice', 'cxone'],
  ['key', 'nice|int-1', 'nice|int-2'],
  ['eventKey', 'ab'.repeat(16), 'ac'.repeat(16)],
  ['fingerprint', 'f1', 'f2'],
  ['from', 2_000, 2_001],
  ['to', 2_001, 2_000],
  ['from', '1970-01-01T00:00:02Z', '1970-01-01T00:00:02.001Z'],
  ['status', 'pending_inspection', 'replayed'],
  ['status', 'any', 'discarded'],
])('filters by %s', (name, same, other) => {
  expect([isMatched({ [name]: same }), isMatched({ [name]: other })]).toEqual([true, false])
})

it('selects letters that match every part of a filter, by default only pending ones', () => {
  expect(isMatched({})).toBe(true)
  expect(isMatched({ reason: 'unmappable', source: 'nice', from: 1_500, to: 2_500 })).toBe(true)
  expect(isMatched({ reason: 'unmappable', source: 'cxone' })).toBe(false)
  expect(matches({ ...letter, status: 'replayed' }, letterFilter.parse({ stage: 'normalizer' }))).toBe(false)
})

it('edits a body as text, then as JSON: rename, set, remove', () => {
  const edit = (changes: object, body: string) => {
    const result = applyFixUp(fixUp.parse({ name: 'n', ...changes }), Buffer.from(body))
    return result.kind === 'edited' ? result.body.toString() : result.kind
  }
  expect(edit({ replaceText: [{ find: 'NaN', with: 'null' }] }, '{"a":NaN,"b":[NaN]}')).toBe(
    '{"a":null,"b":[null]}',
  )
  expect(
    edit(
      { rename: { id: 'interactionId', absent: 'x' }, set: { id: 2, region: 'eu' }, remove: ['b'] },
      '{"id":1,"b":2}',
    ),
  ).toBe('{"interactionId":1,"id":2,"region":"eu"}')
  expect(edit({}, '{"a":1,"a":2}')).toBe('{"a":2}')
  for (const body of ['{"cut', '[]', '3', 'null', '']) expect(edit({}, body)).toBe('failed')
})

it('renames all fields at once, so that names can be swapped', () => {
  const rename = (names: object, body: string) => {
    const result = applyFixUp(fixUp.parse({ name: 'n', rename: names }), Buffer.from(body))
    return result.kind === 'edited' ? (JSON.parse(result.body.toString()) as unknown) : result.kind
  }
  expect(rename({ a: 'b', b: 'a' }, '{"a":1,"b":2,"c":3}')).toEqual({ a: 2, b: 1, c: 3 })
  expect(rename({ a: 'b', b: 'c' }, '{"a":1,"b":2}')).toEqual({ b: 1, c: 2 })
  expect(rename({ a: 'a' }, '{"a":1}')).toEqual({ a: 1 })
})

it('changes no digit of a field that the fix-up does not name', () => {
  const result = applyFixUp(
    fixUp.parse({ name: 'n', replaceText: [{ find: 'NaN', with: 'null' }] }),
    Buffer.from('{"id":1524831183200260097,"amount":10.00,"bad":NaN,"deep":[{"n":1e2}]}'),
  )
  expect(result.kind === 'edited' && result.body.toString()).toBe(
    '{"id":1524831183200260097,"amount":10.00,"bad":null,"deep":[{"n":1e2}]}',
  )
})

it('keeps the digits of a number that a fix-up sets, through the command and the job', () => {
  const set = parseExactJson('{"id":1524831183200260097}')
  const job: Job = {
    ...jobRequest.parse({ kind: 'replay', filter: { stage: 'dedup' }, fixUp: { name: 'n', set } }),
    id: 'j',
    requestedBy: 'me',
    requestedAt: 1,
    state: 'waiting',
    cursor: {},
    end: {},
    counts: NO_COUNTS,
    finishedAt: null,
  }
  const read = decodeCommand(encodeJson({ kind: 'create', job })) as { readonly job: Job }
  const { body } = applyFixUp(fixUp.parse(read.job.fixUp), Buffer.from('{}')) as { readonly body: Buffer }
  expect(body.toString()).toBe('{"id":1524831183200260097}')
})

it('computes the size of an edited body before it edits', () => {
  const grow = { find: 'a', with: 'a'.repeat(1_000) }
  const edit = fixUp.parse({ name: 'n', replaceText: Array.from({ length: 50 }, () => grow) })
  expect(applyFixUp(edit, Buffer.from('{"a":1}'))).toEqual({
    kind: 'failed',
    why: expect.stringMatching(/a body of 1000006 characters.*1000000 bytes/) as string,
  })
})
