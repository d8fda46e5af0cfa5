import { expect, it } from 'vitest'
import { RestartRule } from './restart-rule.ts'

const after = (...livedMs: number[]) => {
  const rule = new RestartRule()
  return livedMs.map((ms) => rule.ended(ms))
}

it('restarts a worker at once if it has run for a long time', () => {
  expect(after(10_000, 3_600_000)).toEqual([0, 0])
})

it('waits longer after each early end, and gives up after the fifth in a row', () => {
  expect(after(0, 9_999, 100, 100, 100)).toEqual([1_000, 2_000, 3_000, 4_000, undefined])
})

it('resets the count after a worker that has run for a long time', () => {
  expect(after(0, 0, 0, 0, 10_000, 0)).toEqual([1_000, 2_000, 3_000, 4_000, 0, 1_000])
})
