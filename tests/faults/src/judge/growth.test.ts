import { expect, it } from 'vitest'
import { growthOf, type Sample } from './growth.ts'

const samples = (seconds: number, of: (second: number) => Partial<Sample>): readonly Sample[] =>
  Array.from({ length: seconds / 2 }, (_, index) => ({
    atMs: index * 2_000,
    rssMegabytes: 150,
    descriptors: 60,
    ...of(index * 2),
  }))

it('finds memory and descriptors that grow on', () => {
  expect(growthOf(samples(300, (second) => ({ rssMegabytes: 150 + 2 * second })))).toContain('memory from')
  expect(growthOf(samples(300, (second) => ({ descriptors: 60 + second })))).toContain('descriptors from')
})

it('takes a warm-up, a steady process and a short life for what they are', () => {
  expect(
    growthOf(samples(300, (second) => ({ rssMegabytes: Math.min(400, 100 + 10 * second) }))),
  ).toBeUndefined()
  expect(growthOf(samples(300, () => ({})))).toBeUndefined()
  expect(growthOf(samples(60, (second) => ({ rssMegabytes: 150 + 20 * second })))).toBeUndefined()
})
