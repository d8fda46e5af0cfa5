import { expect, it } from 'vitest'
import { once } from './once.ts'

it('runs once for calls at the same time and after a success, and again after a failure', async () => {
  const outcomes = [() => Promise.reject(new Error('away')), () => Promise.resolve('open')]
  let runs = 0
  const open = once(() => outcomes[runs++]!())
  const first = [open(), open()]
  await expect(first[0]).rejects.toThrow('away')
  await expect(first[1]).rejects.toThrow('away')
  expect(await Promise.all([open(), open()])).toEqual(['open', 'open'])
  expect(await open()).toBe('open')
  expect(runs).toBe(2)
})
