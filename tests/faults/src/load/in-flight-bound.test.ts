import { expect, it } from 'vitest'
import { InFlightBound } from './in-flight-bound.ts'

const answer = (bound: InFlightBound, count: number, tookMs = 20): void => {
  for (let i = 0; i < count; i++) bound.answered(tookMs)
}

it('grows with quick answers up to its most, and not with slow ones', () => {
  const bound = new InFlightBound(64)
  answer(bound, 100, 1_000)
  expect(bound.now).toBe(16)
  answer(bound, 100)
  expect(bound.now).toBe(64)
})

it('shrinks while requests fail, once for each moment, and never to nothing', () => {
  const bound = new InFlightBound(64)
  answer(bound, 100)
  bound.failed(0)
  bound.failed(100)
  expect(bound.now).toBeCloseTo(44.8)
  for (let now = 1_000; now < 20_000; now += 1_000) bound.failed(now)
  expect(bound.now).toBe(4)
})

it('comes back quickly to half of what it was, and slowly beyond', () => {
  const bound = new InFlightBound(64)
  answer(bound, 100)
  for (let now = 0; now < 10_000; now += 1_000) bound.failed(now)
  answer(bound, 28)
  expect(bound.now).toBeCloseTo(32)
  answer(bound, 28)
  expect(bound.now).toBeLessThan(34)
})
