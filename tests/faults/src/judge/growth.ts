import { readdirSync, readFileSync } from 'node:fs'

export interface Sample {
  /** Of `performance.now()`. */
  readonly atMs: number
  readonly rssMegabytes: number
  readonly descriptors: number
}

const SAMPLE_MS = 2_000
/** Caches, filters and compiled code are there by then. */
const WARM_MS = 45_000
const SPAN_MS = 20_000
/** A filter or a fetch buffer more is no leak; what is, grows on. */
const RSS_GROWTH_MAX = 1.5
const RSS_MEGABYTES_MORE = 120
const DESCRIPTORS_MORE = 150

/** undefined: the process has ended. */
const sample = (pid: number): Sample | undefined => {
  try {
    const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    if (kilobytes === undefined) return undefined
    const descriptors = readdirSync(`/proc/${pid}/fd`).length
    return { atMs: performance.now(), rssMegabytes: Number(kilobytes) / 1_024, descriptors }
  } catch {
    return undefined
  }
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!

/**
 * Compares a process's last 20 s with the 20 s after its first 45; undefined: within the bound, or too short a life.
 */
export const growthOf = (samples: readonly Sample[]): string | undefined => {
  const startedAt = samples[0]?.atMs ?? 0
  const endedAt = samples.at(-1)?.atMs ?? 0
  const warmAt = startedAt + WARM_MS
  if (endedAt < warmAt + 2 * SPAN_MS) return undefined
  const early = samples.filter(({ atMs }) => atMs >= warmAt && atMs < warmAt + SPAN_MS)
  const late = samples.filter(({ atMs }) => atMs >= endedAt - SPAN_MS)
  if (early.length === 0 || late.length === 0) return undefined
  const of = (name: 'rssMegabytes' | 'descriptors'): readonly [number, number] => [
    median(early.map((one) => one[name])),
    median(late.map((one) => one[name])),
  ]
  const [rssBefore, rssAfter] = of('rssMegabytes')
  const [descriptorsBefore, descriptorsAfter] = of('descriptors')
  if (rssAfter > rssBefore * RSS_GROWTH_MAX && rssAfter > rssBefore + RSS_MEGABYTES_MORE) {
    return `memory from ${Math.round(rssBefore)} to ${Math.round(rssAfter)} MB`
  }
  if (descriptorsAfter > descriptorsBefore + DESCRIPTORS_MORE) {
    return `descriptors from ${descriptorsBefore} to ${descriptorsAfter}`
  }
  return undefined
}

/** Watches processes while they live. */
export class GrowthWatch {
  readonly #processes: () => ReadonlyMap<string, number>
  readonly #samples = new Map<string, Sample[]>()
  readonly #timer: NodeJS.Timeout

  /** `processes`: those that live now, names by which each incarnation is another, and their ids. */
  constructor(processes: () => ReadonlyMap<string, number>) {
    this.#processes = processes
    this.#timer = setInterval(() => this.#look(), SAMPLE_MS)
  }

  /** Stops; returns what grew beyond the bound, how many processes lived long enough to be judged, and the largest. */
  stop(): { readonly grown: readonly string[]; readonly judged: number; readonly rssMegabytesMax: number } {
    clearInterval(this.#timer)
    const grown: string[] = []
    let judged = 0
    let largest = 0
    for (const [name, samples] of this.#samples) {
      largest = Math.max(largest, ...samples.map(({ rssMegabytes }) => rssMegabytes))
      if (samples.at(-1)!.atMs - samples[0]!.atMs < WARM_MS + 2 * SPAN_MS) continue
      judged += 1
      const growth = growthOf(samples)
      if (growth !== undefined) grown.push(`${name}: ${growth}`)
    }
    return { grown, judged, rssMegabytesMax: Math.round(largest) }
  }

  #look(): void {
    for (const [name, pid] of this.#processes()) {
      const one = sample(pid)
      if (one === undefined) continue
      const list = this.#samples.get(name)
      if (list === undefined) this.#samples.set(name, [one])
      else list.push(one)
    }
  }
}
