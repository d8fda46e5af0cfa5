import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { identify } from './identity.ts'
import { tryLock, withLock } from './lock.ts'

const LOCK_MODULE = fileURLToPath(new URL('lock.ts', import.meta.url))
let folder = ''
let file = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-lock-'))
  file = join(folder, 'deeper', 'one.lock')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** Another process that runs `script` with the lock module's functions at hand. */
const run = (script: string) =>
  spawn(process.execPath, [
    '--input-type=module',
    '-e',
    `import { tryLock, withLock } from ${JSON.stringify(LOCK_MODULE)}
     import { readFileSync, writeFileSync } from 'node:fs'
     const file = ${JSON.stringify(file)}, count = ${JSON.stringify(join(folder, 'count'))}
     ${script}`,
  ])

it('gives the lock once, says who has it, and gives it again when it was released', () => {
  const release = tryLock(file)
  expect(release).toBeTypeOf('function')
  expect(tryLock(file)).toBe(process.pid)
  ;(release as () => void)()
  expect(existsSync(file)).toBe(false)
  expect(tryLock(file)).toBeTypeOf('function')
})

it('takes over from a process that was killed, and from one whose number another process has now', async () => {
  const holder = run(`tryLock(file); process.stdout.write('held'); setInterval(() => undefined, 1_000)`)
  await once(holder.stdout, 'data')
  expect(tryLock(file)).toBe(holder.pid)
  holder.kill('SIGKILL')
  await once(holder, 'exit')
  expect(tryLock(file)).toBeTypeOf('function')

  writeFileSync(file, JSON.stringify({ ...identify(process.pid), startedAt: 'long ago' }))
  expect(tryLock(file)).toBeTypeOf('function')
})

it('lets one process in at a time, also when some are killed inside', async () => {
  writeFileSync(join(folder, 'count'), '0')
  const add = `const before = Number(readFileSync(count, 'utf8'))
    await new Promise((resolve) => setTimeout(resolve, 2))
    writeFileSync(count, String(before + 1))`
  const adders = Array.from({ length: 4 }, () =>
    run(`for (let i = 0; i < 5; i++) await withLock(file, async () => { ${add} })`),
  )
  const dying = Array.from({ length: 2 }, () =>
    run(`await withLock(file, async () => process.kill(process.pid, 'SIGKILL'))`),
  )
  await Promise.all([...adders, ...dying].map((child) => once(child, 'exit')))
  expect(readFileSync(join(folder, 'count'), 'utf8')).toBe('20')
}, 60_000)

it('releases when the action fails', async () => {
  const failing = vi.fn(() => Promise.reject(new Error('planted')))
  await expect(withLock(file, failing)).rejects.toThrow('planted')
  expect(await withLock(file, () => Promise.resolve('done'))).toBe('done')
})
