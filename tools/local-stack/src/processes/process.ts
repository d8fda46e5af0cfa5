import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { childEnvironment } from '../config.ts'
import { ensurePrivate } from '../folders.ts'
import { identify } from './identity.ts'
import { signalGroup, STOP_MS_MAX, type PidFile, type StopSignal } from './leftovers.ts'

export interface ProcessSpec {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string | undefined>>
  /** True: a tool of the caller, which gets the whole environment; see `childEnvironment`. */
  readonly inherits?: boolean
  readonly uid?: number
  readonly gid?: number
  /** Gets stdout and stderr; the file of the run before is kept as `<logFile>.1`. */
  readonly logFile: string
  /** Text for its stdin. */
  readonly input?: string
  readonly stopSignal?: StopSignal
  /** How long it may take to stop before it is killed; default 10 s. */
  readonly stopMsMax?: number
}

export interface ChildExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A child in a process group of its own, so that Ctrl-C in a terminal reaches only us and we decide the order. */
export interface LocalProcess {
  readonly name: string
  readonly pid: number
  readonly logFile: string
  readonly exited: Promise<ChildExit>
  /** undefined while it runs. */
  exit(): ChildExit | undefined
  kill(signal: NodeJS.Signals): void
  /** Sends the stop signal, and SIGKILL after its time or `msMax`; resolves when it has ended. */
  stop(msMax?: number): Promise<void>
}

const reapers = new Map<string, ChildProcess>()

/** One reaper for each run folder: it outlives this process just long enough to stop what is left. */
const ensureReaper = (runDir: string): void => {
  if (reapers.has(runDir)) return
  const script = fileURLToPath(new URL('reaper-main.ts', import.meta.url))
  const reaper = spawn(process.execPath, [script, runDir, String(process.pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  reaper.once('exit', () => reapers.delete(runDir))
  reaper.once('error', () => reapers.delete(runDir))
  reaper.stdin.on('error', () => undefined)
  reaper.unref()
  ;(reaper.stdin as unknown as { unref(): void }).unref()
  reapers.set(runDir, reaper)
}

const running = new Map<string, Set<LocalProcess>>()
const closedRuns = new Set<string>()

/**
 * Stops every process that this one has started there, those that are still starting too, and lets no more be started.
 * A process that has not stopped after `msMax` is killed, for callers that delete its data anyway.
 */
export const stopOwn = async (runDir: string, msMax = Infinity): Promise<void> => {
  closedRuns.add(runDir)
  await Promise.all([...(running.get(runDir) ?? [])].map((child) => child.stop(msMax)))
}

export const lastLines = (file: string, count = 15): string => {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-count).join('\n')
  } catch {
    return ''
  }
}

const openLog = (file: string): number => {
  ensurePrivate(dirname(file))
  try {
    renameSync(file, `${file}.1`)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  return openSync(file, 'a')
}

/**
 * Starts a child without a shell and notes it in `runDir`, where the reaper and the next start find it. Throws after
 * `stopOwn`.
 */
export const startProcess = (runDir: string, spec: ProcessSpec): LocalProcess => {
  if (closedRuns.has(runDir)) throw new Error(`${spec.name} was not started: the run has ended`)
  ensurePrivate(runDir)
  ensureReaper(runDir)
  const { stopSignal = 'SIGTERM', stopMsMax = STOP_MS_MAX } = spec
  const log = openLog(spec.logFile)
  const child = spawn(spec.command, spec.args, {
    stdio: [spec.input === undefined ? 'ignore' : 'pipe', log, log],
    detached: true,
    cwd: spec.cwd,
    env: childEnvironment(spec.env, spec.inherits),
    ...(spec.uid !== undefined && { uid: spec.uid }),
    ...(spec.gid !== undefined && { gid: spec.gid }),
  })
  closeSync(log)
  const pid = child.pid
  const identity = pid === undefined ? undefined : identify(pid)
  const pidFile = join(runDir, `${spec.name}-${pid ?? 0}.pid`)
  if (identity !== undefined) {
    const owner = identify(process.pid)
    if (owner === undefined) throw new Error('this process cannot be identified')
    const file: PidFile = { name: spec.name, ...identity, stopSignal, stopMsMax, owner }
    writeFileSync(pidFile, JSON.stringify(file))
  }
  let exit: ChildExit | undefined
  const exited = new Promise<ChildExit>((resolve) => {
    const end = (status: ChildExit) => {
      exit = status
      rmSync(pidFile, { force: true })
      resolve(status)
    }
    child.once('exit', (code, signal) => end({ code, signal }))
    child.once('error', (error) => {
      writeFileSync(spec.logFile, `${spec.command}: ${error.message}\n`, { flag: 'a' })
      end({ code: null, signal: null })
    })
  })
  child.stdin?.on('error', () => undefined)
  child.stdin?.end(spec.input)
  const kill = (signal: NodeJS.Signals) => {
    if (exit === undefined && pid !== undefined) signalGroup(pid, signal)
  }
  const started: LocalProcess = {
    name: spec.name,
    pid: pid ?? 0,
    logFile: spec.logFile,
    exited,
    exit: () => exit,
    kill,
    stop: async (msMax = Infinity) => {
      kill(stopSignal)
      const timer = setTimeout(() => kill('SIGKILL'), Math.min(stopMsMax, msMax))
      await exited
      clearTimeout(timer)
    },
  }
  const siblings = running.get(runDir) ?? new Set()
  running.set(runDir, siblings.add(started))
  void exited.then(() => siblings.delete(started))
  return started
}

const failure = (child: LocalProcess, what: string): Error =>
  new Error(`${child.name} ${what}; its last lines (${child.logFile}):\n${lastLines(child.logFile)}`)

/** Runs a child to its end; rejects with its last log lines unless it ends with 0. */
export const runToEnd = async (runDir: string, spec: ProcessSpec): Promise<void> => {
  const child = startProcess(runDir, spec)
  const { code, signal } = await child.exited
  if (code !== 0) throw failure(child, `ended with ${code ?? signal ?? 'no start'}`)
}

/** Resolves once `probe` says true; rejects, and stops the child, when it ends or is not ready in time. */
export const waitUntilReady = async (
  child: LocalProcess,
  probe: () => Promise<boolean>,
  timeoutMs = 120_000,
): Promise<void> => {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    const exit = child.exit()
    if (exit !== undefined)
      throw failure(child, `ended with ${exit.code ?? exit.signal ?? 'no start'} at start`)
    if (await probe().catch(() => false)) return
    if (Date.now() > deadline) {
      await child.stop()
      throw failure(child, `was not ready after ${timeoutMs / 1000} s`)
    }
    await sleep(50)
  }
}
