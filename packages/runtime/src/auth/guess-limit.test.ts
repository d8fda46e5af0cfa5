import { expect, it } from 'vitest'
import { GuessLimit } from './guess-limit.ts'

const MINUTE = 60_000
let guesses = 0
const another = (): string => `Bearer guess ${guesses++}`

it('makes an address wait after too many wrong tokens', () => {
  const limit = new GuessLimit({ max: 3, windowMs: MINUTE })
  for (let i = 0; i < 3; i++) expect(limit.add('192.0.2.1', another(), i)).toBe(0)
  expect(limit.add('192.0.2.1', another(), 1_000)).toBe(MINUTE + 2 - 1_000)
  expect(limit.add('192.0.2.1', undefined, 1_000)).toBe(MINUTE + 2 - 1_000)
  expect(limit.add('192.0.2.2', another(), 1_000)).toBe(0)
  expect(limit.add('192.0.2.1', another(), MINUTE + 2)).toBe(0)
})

it('counts one wrong token from many addresses together, and no other token', () => {
  const limit = new GuessLimit({ max: 3, windowMs: MINUTE })
  for (let i = 0; i < 3; i++) expect(limit.add(`192.0.2.${i}`, 'Bearer revoked', 0)).toBe(0)
  expect(limit.add('192.0.2.9', 'Bearer revoked', 0)).toBe(MINUTE)
  expect(limit.add('192.0.2.9', another(), 0)).toBe(0)
})

it('forgets wrong tokens that came long ago', () => {
  const limit = new GuessLimit({ max: 2, windowMs: MINUTE })
  limit.add('192.0.2.1', another(), 0)
  limit.add('192.0.2.1', another(), MINUTE)
  expect(limit.add('192.0.2.1', another(), MINUTE)).toBe(0)
})

it.each([
  ['2001:db8:1:2::1', '2001:db8:1:2:ffff::2', true],
  ['2001:db8:1:2::1', '2001:db8:1:3::1', false],
  ['2001:db8::1', '2001:db8:0:0:5::1', true],
  ['::1', '::2', true],
  ['::ffff:192.0.2.1', '::ffff:192.0.2.2', false],
  ['0:0:0:0:0:ffff:192.0.2.1', '0:0:0:0:0:ffff:192.0.2.2', false],
  ['0:0:0:0:0:FFFF:192.0.2.1', '192.0.2.1', true],
  ['2001:0DB8:1:2::1', '2001:db8:1:2::2', true],
])('counts %s and %s together: %s', (first, second, expected) => {
  const limit = new GuessLimit({ max: 1, windowMs: MINUTE })
  limit.add(first, undefined, 0)
  expect(limit.add(second, undefined, 0) > 0).toBe(expected)
})

it('is bounded', () => {
  const limit = new GuessLimit({ max: 1, windowMs: MINUTE })
  const address = (i: number): string => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`
  for (let i = 0; i < 10_001; i++) limit.add(address(i), undefined, 0)
  expect(limit.add(address(1), undefined, 0)).toBe(MINUTE)
  expect(limit.add(address(0), undefined, 0)).toBe(0)
})
