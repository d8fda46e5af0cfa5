import { expect, it } from 'vitest'
import { BadTokenLimit } from './bad-token-limit.ts'

const MINUTE = 60_000

it('turns an address away after too many wrong tokens, for a while', () => {
  const limit = new BadTokenLimit({ max: 3, windowMs: MINUTE })
  for (let i = 0; i < 3; i++) {
    expect(limit.waitMs('192.0.2.1', i)).toBe(0)
    limit.add('192.0.2.1', i)
  }
  expect(limit.waitMs('192.0.2.1', 1_000)).toBe(MINUTE + 2 - 1_000)
  expect(limit.waitMs('192.0.2.2', 1_000)).toBe(0)
  expect(limit.waitMs('192.0.2.1', MINUTE + 2)).toBe(0)
})

it('forgets wrong tokens that came long ago', () => {
  const limit = new BadTokenLimit({ max: 2, windowMs: MINUTE })
  limit.add('192.0.2.1', 0)
  limit.add('192.0.2.1', MINUTE)
  expect(limit.waitMs('192.0.2.1', MINUTE)).toBe(0)
})

it.each([
  ['2001:db8:1:2::1', '2001:db8:1:2:ffff::2', true],
  ['2001:db8:1:2::1', '2001:db8:1:3::1', false],
  ['2001:db8::1', '2001:db8:0:0:5::1', true],
  ['::1', '::2', true],
  ['::ffff:192.0.2.1', '::ffff:192.0.2.2', false],
])('counts %s and %s together: %s', (first, second, expected) => {
  const limit = new BadTokenLimit({ max: 1, windowMs: MINUTE })
  limit.add(first, 0)
  expect(limit.waitMs(second, 0) > 0).toBe(expected)
})

it('is bounded', () => {
  const limit = new BadTokenLimit({ max: 1, windowMs: MINUTE })
  for (let i = 0; i < 10_001; i++) limit.add(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, 0)
  expect(limit.waitMs('10.0.0.0', 0)).toBe(0)
  expect(limit.waitMs('10.0.0.1', 0)).toBe(MINUTE)
})
