import { createLogger } from '@weir/runtime'
import { afterEach, expect, it, vi } from 'vitest'
import { GapFilling } from './fill-gaps.ts'
import type { ShapeGaps } from './known-fields.ts'

const gap = (eventType: string): ShapeGaps => ({
  source: 's',
  eventType,
  fingerprint: 'f',
  number: 2,
  missing: ['new'],
})
const known = {
  gaps: (isWanted: (shape: { readonly source: string; readonly type: string }) => boolean) =>
    ['a', 'b', 'c'].filter((type) => isWanted({ source: 's', type })).map(gap),
}
const calls: { readonly types: readonly string[]; readonly ms: number }[] = []
let answer: () => Promise<number> = () => Promise.resolve(1)
const filler = {
  fillRecent: (gaps: readonly ShapeGaps[], ms: number) => {
    calls.push({ types: gaps.map(({ eventType }) => eventType), ms })
    return answer()
  },
}
const open = (): GapFilling => new GapFilling(known, filler, createLogger('test', 'silent'), 1)
const MINUTE_MS = 60_000
const since = (ms: number): number => Date.now() - ms

afterEach(() => {
  calls.length = 0
  answer = () => Promise.resolve(1)
})

it.each([
  ['one that appeared a minute ago', MINUTE_MS, 75_000],
  ['one whose time is ahead of this clock', -MINUTE_MS, 15_000],
  ['one that is older than ten minutes', 60 * MINUTE_MS, 600_000],
])('fills the rows of the grown types back to a new field and 15 s more: %s', async (_, age, ms) => {
  const filling = open()
  filling.grown({ types: new Set(['a', 'c']), since: since(age) })
  await filling.close()
  expect(calls.map(({ types }) => types)).toEqual([['a', 'c']])
  expect(calls[0]!.ms).toBeGreaterThanOrEqual(ms)
  expect(calls[0]!.ms).toBeLessThan(ms + 10_000)
})

it('retries after a failure, and includes what became known meanwhile', async () => {
  let failures = 2
  answer = () => (failures-- > 0 ? Promise.reject(new Error('the database is away')) : Promise.resolve(0))
  const filling = open()
  filling.grown({ types: new Set(['a']), since: since(5 * MINUTE_MS) })
  filling.grown({ types: new Set(['b']), since: since(0) })
  await vi.waitFor(() => expect(calls.length).toBeGreaterThan(2))
  await filling.close()
  const [first, ...later] = calls.map(({ types }) => types)
  expect(first).toEqual(['a'])
  expect(later.flat()).toContain('b')
  expect(later.flat()).toContain('a')
})

it('stops when it is closed', async () => {
  answer = () => Promise.reject(new Error('the database is away'))
  const filling = open()
  filling.grown({ types: new Set(['a']), since: since(0) })
  await vi.waitFor(() => expect(calls.length).toBeGreaterThan(1))
  await filling.close()
  const { length } = calls
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(calls).toHaveLength(length)
})
