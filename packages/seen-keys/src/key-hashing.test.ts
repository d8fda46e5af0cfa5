import { eventKeyOf } from '@weir/contracts'
import { expect, it } from 'vitest'
import { createKeyFilter, KeyHashing } from './key-hashing.ts'

it('has no false negative in a million keys, and about as many false positives as configured', () => {
  const count = 1_000_000
  const filter = createKeyFilter(count, 0.01, new KeyHashing())
  const key = (i: number) => eventKeyOf('s', String(i))
  for (let i = 0; i < count; i++) filter.add(key(i))
  let missed = 0
  for (let i = 0; i < count; i++) if (!filter.has(key(i))) missed += 1
  expect(missed).toBe(0)
  let wrong = 0
  for (let i = count; i < count + 100_000; i++) if (filter.has(key(i))) wrong += 1
  expect(wrong / 100_000).toBeLessThan(0.013)
}, 60_000)
