import { expect, it } from 'vitest'
import { parseTimestamp } from './timestamp.ts'

it.each([
  ['1767225600', 's', 1_767_225_600_000],
  ['1767225600000', 'ms', 1_767_225_600_000],
  ['2026-01-01T00:00:00Z', 'iso', 1_767_225_600_000],
  ['2026-01-01T02:00:00+0200', 'iso', 1_767_225_600_000],
  // Of another unit it would be another year, and only its length tells.
  ['1767225600', 'ms', undefined],
  ['1767225600000', 's', undefined],
  ['2026-01-01T00:00:00', 'iso', undefined],
  ['2026-02-30T00:00:00Z', 'iso', undefined],
  ['-1767225600', 's', undefined],
  ['01767225600', 's', undefined],
  ['1767225600.5', 's', undefined],
  ['1.7e9', 's', undefined],
  [' 1767225600', 's', undefined],
  ['', 's', undefined],
] as const)('reads the timestamp %j in %s as %s', (text, unit, moment) => {
  expect(parseTimestamp(text, unit)).toBe(moment)
})
