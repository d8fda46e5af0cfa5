import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isAlive, type ProcessIdentity } from './identity.ts'

export type StopSignal = 'SIGTERM' | 'SIGINT'

/** What a pid file says: a process that leads its own group, and whose child it is. */
export interface PidFile extends ProcessIdentity {
  readonly name: string
  readonly stopSignal: StopSignal
  readonly stopMsMax: number
  readonly owner: ProcessIdentity
}

export const STOP_MS_MAX = 10_000
const LOOK_MS = 20

/** Signals the whole group that the process leads; a process that has ended is fine. */
export const signalGroup = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(-pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

const pidFiles = (runDir: string): readonly { path: string; file: PidFile }[] => {
  let names: string[]
  try {
    names = readdirSync(runDir).filter((name) => name.endsWith('.pid'))
  } catch {
    return []
  }
  return names.flatMap((name) => {
    const path = join(runDir, name)
    try {
      return [{ path, file: JSON.parse(readFileSync(path, 'utf8')) as PidFile }]
    } catch {
      // Written only in part when its writer died, or taken away by the process's own end.
      return []
    }
  })
}

/**
 * Stops every process that the pid files name and `chosen` picks: its stop signal first, SIGKILL after its time.
 * Returns the names of those that were alive.
 */
export const stopLeftovers = async (
  runDir: string,
  chosen: (file: PidFile) => boolean = (file) => !isAlive(file.owner),
): Promise<readonly string[]> => {
  const found = pidFiles(runDir).filter(({ file }) => chosen(file))
  const alive = found.filter(({ file }) => isAlive(file))
  for (const { file } of alive) signalGroup(file.pid, file.stopSignal)
  await Promise.all(alive.map(({ file }) => untilEnded(file)))
  for (const { path } of found) rmSync(path, { force: true })
  return alive.map(({ file }) => file.name)
}

const untilEnded = async (file: PidFile): Promise<void> => {
  const deadline = Date.now() + file.stopMsMax
  while (isAlive(file) && Date.now() < deadline) await sleep(LOOK_MS)
  if (isAlive(file)) signalGroup(file.pid, 'SIGKILL')
}
