import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, expect, it } from 'vitest'
import { Channel } from './channel.ts'

let child: ChildProcess
/** A child that runs the script, once it is there. */
const startChild = async (script: string): Promise<ChildProcess> => {
  const all = `process.on('message', ${script}); process.send('here')`
  child = spawn(process.execPath, ['-e', all], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
  await once(child, 'message')
  return child
}
afterEach(() => child.kill('SIGKILL'))

it('gets a response to its question', async () => {
  const port = await startChild(
    "({ id, what }) => process.send({ kind: 'answer', id, value: what.toUpperCase() })",
  )
  expect(await new Channel(port, {}).ask('who')).toBe('WHO')
})

it('gets no response from a process that has ended, and continues', async () => {
  const port = await startChild('() => undefined')
  const errors: unknown[] = []
  port.on('error', (error) => errors.push(error))
  const channel = new Channel(port, {})
  port.kill('SIGKILL')
  await once(port, 'disconnect')
  expect(await channel.ask('who')).toBeUndefined()
  expect(errors).toEqual([])
})
