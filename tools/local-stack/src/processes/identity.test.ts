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
  // The shell becomes a program that never collects the child it began. Until then it may collect it.
  const program = 'process.stdout.write("here"); setInterval(() => undefined, 1_000)'
  const parent = spawn('sh', ['-c', 'sleep 60 & echo $!; exec "$0" -e "$1"', process.execPath, program])
  onTestFinished(() => void parent.kill('SIGKILL'))
  let output = ''
  parent.stdout.on('data', (bytes: Buffer) => (output += bytes.toString()))
  await expect.poll(() => output, { timeout: 20_000 }).toMatch(/here$/)
  const child = Number.parseInt(output, 10)
  expect(isRunning(child)).toBe(true)
  process.kill(child, 'SIGKILL')
  await expect.poll(() => isRunning(child), { timeout: 20_000 }).toBe(false)
  expect(() => process.kill(child, 0)).not.toThrow()
})
