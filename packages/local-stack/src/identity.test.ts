import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, it, onTestFinished } from 'vitest'
import { identify, isAlive, isRunning } from './identity.ts'

it('tells a living process from one that has ended, by more than its number', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1_000)'])
  await once(child, 'spawn')
  const identity = identify(child.pid!)!
  expect(isAlive(identity)).toBe(true)
  expect(isAlive({ ...identity, startedAt: `${identity.startedAt}0` })).toBe(false)
  child.kill('SIGKILL')
  await once(child, 'exit')
  expect(isAlive(identity)).toBe(false)
  expect(isRunning(child.pid!)).toBe(false)
})

it('takes one that has ended and was not yet collected by its parent for ended', async () => {
  // The shell becomes a program that never collects the child it began.
  const parent = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 60'])
  onTestFinished(() => void parent.kill('SIGKILL'))
  const [output] = (await once(parent.stdout, 'data')) as [Buffer]
  await expect.poll(() => isRunning(Number(output)), { timeout: 20_000 }).toBe(false)
  expect(() => process.kill(Number(output), 0)).not.toThrow()
})
