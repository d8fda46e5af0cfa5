import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'

/** A process that cannot be mistaken for a later one with the same number. */
export interface ProcessIdentity {
  readonly pid: number
  /** When it started, in the system's own terms, with the boot it started in. */
  readonly startedAt: string
}

const readStat = (pid: number): string | undefined => {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return undefined
  }
}

/** undefined: there is no such process, or only the entry of one that has ended. */
export const identify = (pid: number): ProcessIdentity | undefined => {
  if (existsSync('/proc/self/stat')) {
    // The name in brackets may hold anything, so fields are counted from its end: state is the 3rd, start time the
    // 22nd.
    const fields = readStat(pid)
      ?.replace(/^.*\) /s, '')
      .split(' ')
    if (fields === undefined || fields[0] === 'Z' || fields[0] === 'X') return undefined
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
    return { pid, startedAt: `${boot} ${fields[19] ?? ''}` }
  }
  const ps = spawnSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8' })
  const line = ps.stdout.trim()
  return line === '' || line.startsWith('Z') ? undefined : { pid, startedAt: line.replace(/^\S+\s+/, '') }
}

export const isAlive = (identity: ProcessIdentity): boolean =>
  identify(identity.pid)?.startedAt === identity.startedAt

/** Whether any process has this number now. */
export const isRunning = (pid: number): boolean => identify(pid) !== undefined
