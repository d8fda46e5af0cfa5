import { expect, it } from 'vitest'
import { backlogOf, Stalls } from './stalls.ts'

const at = (position: bigint, isWhole = true) => ({
  isWhole,
  open: [{ what: 'lag of dedup in received/0', isLag: true, behind: 5n, position }],
})

it('measures how long one position lasts, while all brokers are in sync', () => {
  const stalls = new Stalls()
  stalls.note(0, at(1n))
  stalls.note(2_000, at(1n))
  stalls.note(4_000, at(2n))
  expect(stalls.longest).toEqual({ what: 'lag of dedup in received/0', ms: 2_000, until: 2_000 })
  stalls.note(6_000, at(2n, false))
  stalls.note(8_000, at(2n))
  stalls.note(9_000, undefined)
  stalls.note(10_000, at(2n))
  expect(stalls.longest?.ms).toBe(2_000)
  stalls.note(15_000, at(2n))
  expect(stalls.longest?.ms).toBe(5_000)
  stalls.note(16_000, { isWhole: true, open: [] })
  stalls.note(30_000, at(2n))
  expect(stalls.longest?.ms).toBe(5_000)
})

it('counts what groups have not read, and not what open transactions hold', () => {
  const transaction = { what: 'open transaction in seen/0', isLag: false, behind: 9n, position: 1n }
  expect(backlogOf({ isWhole: true, open: [...at(1n).open, transaction, ...at(2n).open] })).toBe(10)
})
