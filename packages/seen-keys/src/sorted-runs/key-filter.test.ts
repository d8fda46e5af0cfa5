import { createHash, randomBytes } from 'node:crypto'
import { expect, it } from 'vitest'
import { filterBytes, KeyFilter } from './key-filter.ts'
import { KeyHashing, KeyProbe, SALT_BYTES } from './key-hashing.ts'

const probe = new KeyProbe(new KeyHashing(randomBytes(SALT_BYTES)))
/** Four keys of one hash: hashing each would take longer than what is tested. */
let hash = Buffer.alloc(0)
let hashOf = -1
const key = (i: number) => {
  const group = Math.floor(i / 4)
  if (group !== hashOf) {
    hash = createHash('sha512').update(String(group)).digest()
    hashOf = group
  }
  return probe.set(hash, (i % 4) * 16)
}

it('has no false negative in a million keys, and no more false positives than configured', () => {
  const count = 1_000_000
  const filter = KeyFilter.create(count, 0.01)
  for (let i = 0; i < count; i++) filter.add(key(i))
  let missed = 0
  for (let i = 0; i < count; i++) if (!filter.mayHave(key(i))) missed += 1
  expect(missed).toBe(0)
  let wrong = 0
  for (let i = count; i < count + 100_000; i++) if (filter.mayHave(key(i))) wrong += 1
  // 1,000 are expected; five standard deviations more are 1,158.
  expect(wrong).toBeLessThan(1_158)
  expect(wrong).toBeGreaterThan(500)
}, 60_000)

it.each([1, 16, 64, 256, 4_096])('errs no more often than configured with only %i keys', (count) => {
  const rate = 0.001
  let wrong = 0
  const looks = 20_000
  const filters = 20
  for (let salt = 0; salt < filters; salt++) {
    const probe = new KeyProbe(new KeyHashing(randomBytes(SALT_BYTES)))
    const filter = KeyFilter.create(count, rate)
    const held = randomBytes(16 * count)
    for (let i = 0; i < count; i++) filter.add(probe.set(held, i * 16))
    const others = randomBytes(16 * looks)
    for (let i = 0; i < looks; i++) if (filter.mayHave(probe.set(others, i * 16))) wrong += 1
  }
  // 400 would be as configured; keys that meet in one filter make it vary more than chance alone.
  expect(wrong).toBeLessThan(560)
})

it('gives the same results after it was stored and loaded', () => {
  const filter = KeyFilter.create(1_000, 0.001)
  for (let i = 0; i < 1_000; i++) filter.add(key(i))
  const loaded = KeyFilter.load(filter.size, filter.hashes, Buffer.from(filter.bytes))
  expect(filter.bytes).toHaveLength(filterBytes(1_000, 0.001))
  for (let i = 0; i < 3_000; i++) expect(loaded.mayHave(key(i))).toBe(filter.mayHave(key(i)))
})

it('has no false negative at the edges of the hashes', () => {
  const filter = KeyFilter.create(64, 0.001)
  const words = [0, 1, -1, 2_147_483_647, -2_147_483_648]
  const keys = words.flatMap((a) => words.map((b) => Int32Array.of(a, b, a, b)))
  for (const words of keys) filter.add(probe.setWords(words, 0))
  expect(keys.every((words) => filter.mayHave(probe.setWords(words, 0)))).toBe(true)
})
