import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { identify, isRunning } from './identity.ts'
import { stopLeftovers, type PidFile } from './leftovers.ts'
import { runToEnd, startProcess, stopOwn, waitUntilReady, type ProcessSpec } from './process.ts'

const PROCESS_MODULE = fileURLToPath(new URL('process.ts', import.meta.url))
let folder = ''
let runDir = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-process-'))
  runDir = join(folder, 'run')
})
afterEach(async () => {
  await stopOwn(runDir)
  rmSync(folder, { recursive: true, force: true })
})

const node = (script: string, more: Partial<ProcessSpec> = {}): ProcessSpec => ({
  name: 'child',
  command: process.execPath,
  args: ['-e', script],
  logFile: join(folder, 'logs', 'child.log'),
  ...more,
})
const FOREVER = 'setInterval(() => undefined, 1_000)'
const STUBBORN = `process.on('SIGTERM', () => undefined); console.log('deaf'); ${FOREVER}`

const pidFiles = (): readonly PidFile[] =>
  readdirSync(runDir)
    .filter((name) => name.endsWith('.pid'))
    .map((name) => JSON.parse(readFileSync(join(runDir, name), 'utf8')) as PidFile)

const untilSaid = (logFile: string, text: string): Promise<void> =>
  vi.waitFor(() => expect(readFileSync(logFile, 'utf8')).toContain(text), { timeout: 20_000 })

it('notes a child while it runs, and keeps the log of the run before', async () => {
  const spec = node(`console.log('first'); ${FOREVER}`)
  const child = startProcess(runDir, spec)
  expect(pidFiles()).toMatchObject([{ name: 'child', pid: child.pid, owner: identify(process.pid) }])
  await untilSaid(spec.logFile, 'first')
  await child.stop()
  expect(child.exit()).toEqual({ code: null, signal: 'SIGTERM' })
  expect(pidFiles()).toEqual([])
  await startProcess(runDir, node('')).exited
  expect(readFileSync(`${spec.logFile}.1`, 'utf8')).toContain('first')
})

it('kills a child that does not stop in its time', async () => {
  const child = startProcess(runDir, node(STUBBORN, { stopMsMax: 100 }))
  await untilSaid(child.logFile, 'deaf')
  await child.stop()
  expect(child.exit()).toEqual({ code: null, signal: 'SIGKILL' })
})

it('rejects with the last lines of a child that fails or cannot be run', async () => {
  await expect(runToEnd(runDir, node('console.error("the reason"); process.exit(3)'))).rejects.toThrow(
    /child ended with 3;.*\nthe reason/,
  )
  await expect(runToEnd(runDir, { ...node(''), command: '/no/such/program' })).rejects.toThrow(/ENOENT/)
})

it('waits until a child is ready, and not for one that has ended', async () => {
  const spec = node(`console.log('ready'); ${FOREVER}`)
  const child = startProcess(runDir, spec)
  await waitUntilReady(child, () => Promise.resolve(readFileSync(spec.logFile, 'utf8').includes('ready')))
  await child.stop()
  const ended = startProcess(runDir, node('console.log("too bad"); process.exit(1)'))
  await expect(waitUntilReady(ended, () => Promise.resolve(false))).rejects.toThrow(/at start.*\ntoo bad/)
  const never = startProcess(runDir, node(FOREVER))
  await expect(waitUntilReady(never, () => Promise.resolve(false), 50)).rejects.toThrow('was not ready')
  expect(never.exit()).toBeDefined()
})

it('stops all of its own and lets nothing more be started', async () => {
  const children = [startProcess(runDir, node(FOREVER)), startProcess(runDir, node(FOREVER))]
  await stopOwn(runDir)
  expect(children.map((child) => child.exit()?.signal)).toEqual(['SIGTERM', 'SIGTERM'])
  expect(() => startProcess(runDir, node(FOREVER))).toThrow('the run has ended')
})

it('kills what does not stop within the time of its caller', async () => {
  const spec = node(`process.on('SIGTERM', () => undefined); console.log('ready'); ${FOREVER}`)
  const child = startProcess(runDir, { ...spec, stopMsMax: 600_000 })
  await waitUntilReady(child, () => Promise.resolve(readFileSync(spec.logFile, 'utf8').includes('ready')))
  await stopOwn(runDir, 50)
  expect(child.exit()?.signal).toBe('SIGKILL')
})

/** A process that starts a child with a child of its own, and is then killed. */
const abandon = async (options: { readonly withReaper: boolean }): Promise<readonly number[]> => {
  const grandchild = `require('node:child_process').spawn(process.execPath, ['-e', '${FOREVER}'])`
  const script = `import { startProcess } from ${JSON.stringify(PROCESS_MODULE)}
    const spec = ${JSON.stringify(node(`console.log(${grandchild}.pid); ${FOREVER}`))}
    const child = startProcess(${JSON.stringify(runDir)}, spec)
    console.log(child.pid)
    ${FOREVER}`
  const owner = spawn(process.execPath, ['--input-type=module', '-e', script])
  const [pid] = (await once(owner.stdout, 'data')) as [Buffer]
  const { logFile } = node('')
  await vi.waitFor(() => expect(readFileSync(logFile, 'utf8')).toMatch(/\d\n/), { timeout: 20_000 })
  const pids = [Number(pid), Number(readFileSync(logFile, 'utf8'))]
  expect(pids.map(isRunning)).toEqual([true, true])
  if (!options.withReaper) for (const reaper of childrenOf(owner.pid!)) if (reaper !== pids[0]) kill(reaper)
  owner.kill('SIGKILL')
  return pids
}

const kill = (pid: number): void => {
  process.kill(pid, 'SIGKILL')
}
const childrenOf = (pid: number): readonly number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number)

it('leaves nothing alive when it is killed', async () => {
  const pids = await abandon({ withReaper: true })
  await vi.waitFor(() => expect(pids.map(isRunning)).toEqual([false, false]), { timeout: 20_000 })
}, 60_000)

it.runIf(existsSync('/proc/self/task'))(
  'is cleared up by the next start when its reaper was killed too',
  async () => {
    const pids = await abandon({ withReaper: false })
    await vi.waitFor(() => expect(isRunning(pidFiles()[0]!.owner.pid)).toBe(false), { timeout: 20_000 })
    expect(pids.map(isRunning)).toEqual([true, true])
    expect(await stopLeftovers(runDir)).toEqual(['child'])
    await vi.waitFor(() => expect(pids.map(isRunning)).toEqual([false, false]), { timeout: 20_000 })
    expect(pidFiles()).toEqual([])
  },
  60_000,
)

it('leaves alone what has an owner, and a process that merely has the number of an earlier one', async () => {
  const owned = startProcess(runDir, node(FOREVER))
  expect(await stopLeftovers(runDir)).toEqual([])
  expect(owned.exit()).toBeUndefined()

  const [file] = pidFiles()
  const stale: PidFile = { ...file!, startedAt: 'before', owner: { pid: 2 ** 22, startedAt: 'before' } }
  writeFileSync(join(runDir, 'stale.pid'), JSON.stringify(stale))
  writeFileSync(join(runDir, 'torn.pid'), '{"pid":')
  expect(await stopLeftovers(runDir)).toEqual([])
  expect(owned.exit()).toBeUndefined()
  expect(readdirSync(runDir)).not.toContain('stale.pid')
})
