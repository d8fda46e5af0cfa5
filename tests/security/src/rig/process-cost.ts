import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

/** What a process has taken of the machine. */
export interface ProcessCost {
  /** Processor time of all its threads, ms. */
  readonly cpuMs: number
  /** Bytes that it has read, of sockets too. */
  readonly bytes: number
}

const NS_PER_MS = 1_000_000

const threadsNs = (pid: number): number => {
  let sum = 0
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    sum += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0])
  }
  return sum
}

const fieldOf = (text: string, name: string): number => {
  const value = new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1]
  if (value === undefined) throw new Error(`there is no ${name} in /proc`)
  return Number(value)
}

export const costOf = (pid: number): ProcessCost => ({
  cpuMs: threadsNs(pid) / NS_PER_MS,
  bytes: fieldOf(readFileSync(`/proc/${pid}/io`, 'utf8'), 'rchar'),
})

/** From now on `peakOf` counts anew. */
export const resetPeak = (pid: number): void => writeFileSync(`/proc/${pid}/clear_refs`, '5')

/** The most memory that it has had, KiB. */
export const peakOf = (pid: number): number => fieldOf(readFileSync(`/proc/${pid}/status`, 'utf8'), 'VmHWM')

/** Undefined: it can be measured; else why not. */
export const notMeasured = (pid: number): string | undefined => {
  try {
    resetPeak(pid)
    return costOf(pid).cpuMs > 0 && peakOf(pid) > 0 ? undefined : 'this system counts nothing'
  } catch (error) {
    return (error as Error).message
  }
}
