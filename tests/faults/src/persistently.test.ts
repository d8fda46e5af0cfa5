import { expect, it } from 'vitest'
import { persistently } from './persistently.ts'

const failing = (times: number) => {
  let calls = 0
  return () => {
    calls += 1
    return calls > times ? Promise.resolve(calls) : Promise.reject(new Error(`ECONNRESET ${calls}`))
  }
}

it('reads again after a failure, and gives up after six', async () => {
  expect(await persistently(failing(5), 0)).toBe(6)
  await expect(persistently(failing(6), 0)).rejects.toThrow('ECONNRESET 6')
})
