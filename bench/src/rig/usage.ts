import { readFileSync } from 'node:fs'

const CLOCK_TICKS_PER_S = 100

/** Of a process and its children. */
export interface Usage {
  /** User and system, seconds. */
  readonly cpuS: number
  readonly rssMb: number
  /** Of that, memory that is not of a file. */
  readonly rssAnonMb: number
  /** The most that it has been. */
  readonly rssPeakMb: number
}

export const usageOf = (pid: number): Usage => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  const mb = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) / 1_024
  const own: Usage = {
    cpuS: (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_S,
    rssMb: mb('VmRSS'),
    rssAnonMb: mb('RssAnon'),
    rssPeakMb: mb('VmHWM'),
  }
  return childrenOf(pid).map(usageOf).reduce(sum, own)
}

const childrenOf = (pid: number): readonly number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean).map(Number)

const sum = (a: Usage, b: Usage): Usage => ({
  cpuS: a.cpuS + b.cpuS,
  rssMb: a.rssMb + b.rssMb,
  rssAnonMb: a.rssAnonMb + b.rssAnonMb,
  rssPeakMb: a.rssPeakMb + b.rssPeakMb,
})
