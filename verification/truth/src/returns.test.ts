import { expect, it } from 'vitest'
import { audit } from './audit.ts'
import type { Observed, ObservedLetter, ObservedReturn, ObservedRow, SourceCounts } from './observed.ts'
import type { FinishedOperation, OperationKind } from './operation.ts'

const source = 's'
const CLEAN = { lost: 0, extra: 0, ledgerResidue: 0, foreign: 0, findings: [] }

const sent = (eventKey: string, rawHash: string, kind: OperationKind = 'event'): FinishedOperation => ({
  source,
  kind,
  rawHash,
  result: 'acked',
  ...(kind === 'event' && { eventKey }),
})
const row = (eventKey: string, rawHash: string): ObservedRow => ({ source, eventKey, rawHash })
const letter = (place: string, eventKey: string, rawHash: string, reason = 'unmappable'): ObservedLetter => ({
  source,
  eventKey,
  rawHash,
  reason,
  place,
  stage: place.split('/')[0] as ObservedLetter['stage'],
})
const back = (
  place: string,
  eventKey: string,
  rawHash: string,
  stage = place.split('/')[0],
): ObservedReturn => ({ source, eventKey, rawHash, letter: place, stage: stage as ObservedReturn['stage'] })

const left = (
  counts: Partial<SourceCounts>,
  rows: readonly ObservedRow[],
  letters: readonly ObservedLetter[],
  returns: readonly ObservedReturn[],
): Observed => {
  const none = { received: 0, returned: 0, unique: 0, duplicates: 0, conflicts: 0, deadLettered: 0 }
  const all = { ...none, ...counts }
  return { onTopic: all.received, rows, letters, returns, counts: new Map([[source, all]]) }
}

const L = letter('normalizer/0/1', 'k', 'h')
const ONE = { received: 1, unique: 1 }

it('takes a letter that returned and became a row as one end, however often it was replayed', () => {
  const once = [back(L.place, 'k', 'h')]
  for (const returns of [once, [...once, ...once]]) {
    expect(audit([sent('k', 'h')], left(ONE, [row('k', 'h')], [L], returns))).toMatchObject(CLEAN)
  }
})

it('takes a letter that returned and failed again, there or further on, as one end', () => {
  for (const place of ['normalizer/0/2', 'persistence/0/9']) {
    const seen = left(ONE, [], [L, letter(place, 'k', 'h')], [back(L.place, 'k', 'h')])
    expect(audit([sent('k', 'h')], seen)).toMatchObject(CLEAN)
  }
})

it('finds a letter that returned and led nowhere, and one that led to two ends', () => {
  const returns = [back(L.place, 'k', 'h')]
  expect(audit([sent('k', 'h')], left(ONE, [], [L], returns))).toMatchObject({ lost: 1, ledgerResidue: 1 })
  const both = left(ONE, [row('k', 'h')], [L, letter('normalizer/0/2', 'k', 'h')], returns)
  expect(audit([sent('k', 'h')], both)).toMatchObject({ extra: 1, ledgerResidue: 1 })
})

it('finds a row beside a letter that nobody replayed', () => {
  expect(audit([sent('k', 'h')], left(ONE, [row('k', 'h')], [L], []))).toMatchObject({ extra: 1 })
})

it('takes the row of an edited body as that of the one that came in, and no other body', () => {
  const again = letter('normalizer/0/2', 'k', 'edited')
  const returns = [back(L.place, 'k', 'edited'), back(again.place, 'k', 'edited twice')]
  const seen = (hash: string) => left(ONE, [row('k', hash)], [L, again], returns)
  expect(audit([sent('k', 'h')], seen('edited twice'))).toMatchObject(CLEAN)
  expect(audit([sent('k', 'h')], seen('edited'))).toMatchObject(CLEAN)
  expect(audit([sent('k', 'h')], seen('never'))).toMatchObject({ extra: 1 })
})

it('takes an approved conflict as an event of its own, which must end once', () => {
  const truth = [sent('k', 'h'), sent('k', 'other')]
  for (const stage of ['dedup', 'persistence'] as const) {
    const conflict = letter(`${stage}/0/3`, 'k', 'other', 'key_conflict')
    const taken = stage === 'dedup' ? { unique: 2, conflicts: 1 } : { unique: 3 }
    const counts = { received: 2, returned: 1, ...taken }
    const returns = [back(conflict.place, 'k#', 'other', 'dedup')]
    const rows = [row('k', 'h'), row('k#', 'other')]
    expect(audit(truth, left(counts, rows, [conflict], returns))).toMatchObject(CLEAN)
    expect(audit(truth, left(counts, rows.slice(0, 1), [conflict], returns))).toMatchObject({ lost: 1 })
    const twice = [...rows, row('k#', 'other')]
    expect(audit(truth, left(counts, twice, [conflict], returns))).toMatchObject({ extra: 1 })
  }
})

it('takes a fixed body as an event of its own, and its letter as the end of what came in', () => {
  const truth = [sent('', 'broken', 'malformed')]
  const broken = letter('dedup/0/4', 'unknown', 'broken', 'invalid_json')
  const returns = [back(broken.place, 'k', 'fixed')]
  const counts = { received: 1, deadLettered: 1, returned: 1, unique: 1 }
  expect(audit(truth, left(counts, [row('k', 'fixed')], [broken], returns))).toMatchObject(CLEAN)
  expect(audit(truth, left(counts, [], [broken], returns))).toMatchObject({ lost: 1, ledgerResidue: 1 })
})

it('finds what was replayed to dedup and is not counted', () => {
  const truth = [sent('', 'broken', 'malformed')]
  const broken = letter('dedup/0/4', 'unknown', 'broken', 'invalid_json')
  const counts = { received: 1, deadLettered: 1, returned: 0, unique: 0 }
  const seen = left(counts, [], [broken], [back(broken.place, 'k', 'fixed')])
  expect(audit(truth, seen)).toMatchObject({ lost: 1, ledgerResidue: 1 })
})
