import type { Latency, Observer } from '@weir/observer'
import type { SimulatorService } from '@weir/simulator'

const TTY_MS = 1_000
const LINE_MS = 5_000
const LATENCY_SPAN_MS = 10_000

export interface LiveView {
  stop(): Promise<void>
}

/** Shows how the run is doing: one block that is painted over on a terminal, a line every 5 s elsewhere. */
export const startLiveView = (options: {
  readonly observer: Observer
  readonly simulator: SimulatorService | undefined
  readonly urls: readonly string[]
  readonly readiness: () => ReadonlyMap<string, readonly string[]>
  readonly out: NodeJS.WriteStream
}): LiveView => {
  const { observer, simulator, urls, readiness, out } = options
  let painted = 0
  let timer: NodeJS.Timeout | undefined
  let looking: Promise<void> = Promise.resolve()
  let isStopped = false
  const show = (lines: readonly string[]): void => {
    if (!out.isTTY) {
      out.write(`${lines[0]!}\n`)
      return
    }
    if (painted > 0) out.write(`\x1b[${painted}A\x1b[J`)
    out.write(`${lines.join('\n')}\n`)
    painted = lines.length
  }
  const look = async (): Promise<void> => {
    try {
      const totals = await observer.totals()
      const latency = await observer.latency(new Date(Date.now() - LATENCY_SPAN_MS)).catch(() => undefined)
      if (isStopped) return
      const { unique, duplicates, conflicts, deadLettered, downstreamLetters, rows } = totals
      const undecided = totals.onTopic + totals.toDedup - totals.received - totals.returned
      const parts = [
        ...(simulator ? [`accepted ${simulator.counts().accepted}`] : []),
        ...[`unique ${unique}`, `duplicates ${duplicates}`, `conflicts ${conflicts}`],
        ...[`dead-lettered ${deadLettered + downstreamLetters}`, `rows ${rows}`],
        `in flight ${undecided + unique - rows - downstreamLetters}`,
        latencyText(latency),
      ]
      const waiting = [...readiness()].map(([service, reasons]) => `${service} (${reasons.join(', ')})`)
      show([parts.join('   '), ...urls, ...(waiting.length > 0 ? [`not ready: ${waiting.join(', ')}`] : [])])
    } catch (error) {
      if (!isStopped) show([`cannot look: ${(error as Error).message}`])
    }
    if (!isStopped) timer = setTimeout(next, out.isTTY ? TTY_MS : LINE_MS)
  }
  const next = (): void => {
    looking = look()
  }
  if (!out.isTTY) out.write(`${urls.join('\n')}\n`)
  next()
  return {
    stop: async () => {
      isStopped = true
      clearTimeout(timer)
      await looking
    },
  }
}

const latencyText = (latency: Latency | undefined): string =>
  latency === undefined ? 'p50 - p99 -' : `p50 ${latency.p50} ms p99 ${latency.p99} ms`
