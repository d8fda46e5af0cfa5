import { expect, it } from 'vitest'
import { shareOf } from './pace.ts'

it('lets events go at full rate while faults and pipeline keep up', () => {
  expect(shareOf(0.5, Infinity, 0)).toBe(1)
  expect(shareOf(0.5, 0.5, 20_000)).toBe(1)
})

it('lets them wait for a fault that is still under way', () => {
  expect(shareOf(0.56, 0.5, 0)).toBeCloseTo(0.5)
  expect(shareOf(0.7, 0.5, 0)).toBe(0)
})

it('lets them wait for the pipeline', () => {
  expect(shareOf(0.5, Infinity, 30_000)).toBeCloseTo(0.5)
  expect(shareOf(0.5, Infinity, 1_000_000)).toBe(0)
})
