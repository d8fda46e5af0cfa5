import fc from 'fast-check'
import { expect, it } from 'vitest'
import { backOffMs, jittered } from './back-off.ts'

const bounds = fc.record({
  firstMs: fc.integer({ min: 1, max: 1_000 }),
  maxMs: fc.integer({ min: 1_000, max: 60_000 }),
})

it('doubles from the first wait up to the longest, however many failures there are', () => {
  fc.assert(
    fc.property(bounds, fc.integer({ min: 1, max: 5_000 }), (backOff, failures) => {
      const ms = backOffMs(failures, backOff)
      expect(backOffMs(1, backOff)).toBe(backOff.firstMs)
      expect(ms).toBeLessThanOrEqual(backOff.maxMs)
      expect(backOffMs(failures + 1, backOff)).toBe(Math.min(2 * ms, backOff.maxMs))
    }),
  )
})

it('jitter keeps between a half and the whole of a wait', () => {
  expect([0, 0.5, 1].map((random) => jittered(100, random))).toEqual([50, 75, 100])
})
