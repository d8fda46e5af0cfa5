import type { Latency, Observer, Totals } from '@weir/observer'
import type { SimulatorService } from '@weir/simulator'
import { plainText } from '@weir/contracts'
import { progress } from '../output.ts'

const TTY_MS = 1_000
const LINE_MS = 5_000
const LATENCY_SPAN_MS = 10_000
const LAST_LOOK_MS = 3_000
/** For terminals that do not report their width. */
const COLUMNS = 80
const ROWS = 24

export interface LiveView {
  /** Prints a line above the block. */
  say(text: string): void
  /** The last figures as text; undefined when there are none. */
  last(): Promise<string | undefined>
  stop(): Promise<void>
}

type Terminal = Pick<NodeJS.WriteStream, 'write' | 'isTTY'> & {
  readonly columns?: number | undefined
  readonly rows?: number | undefined
}

/** Breaks a line at spaces if possible; further lines are indented. */
export const wrap = (line: string, columns: number): readonly string[] => {
  const width = Math.max(20, columns)
  const lines: string[] = []
  let rest = line
  while (rest.length > width) {
    const space = rest.lastIndexOf(' ', width)
    const at = space > width / 2 ? space : width
    lines.push(rest.slice(0, at).trimEnd())
    rest = `  ${rest.slice(at).trimStart()}`
  }
  return [...lines, rest]
}

/** A block at the end of the output that is repainted, whatever the present width of the terminal. */
export class Block {
  readonly #out: Terminal
  #lines: readonly string[] = []

  constructor(out: Terminal) {
    this.#out = out
  }

  paint(lines: readonly string[]): void {
    const { columns = COLUMNS, rows = ROWS } = this.#out
    const fitting = lines.flatMap((line) => wrap(plainText(line), columns - 1)).slice(0, rows - 1)
    this.#out.write(`${this.#erasure()}${fitting.join('\n')}\n`)
    this.#lines = fitting
  }

  /** Prints a line that stays, and repaints the block below it. */
  say(text: string): void {
    this.#out.write(
      `${this.#erasure()}${plainText(text)}\n${this.#lines.map((line) => `${line}\n`).join('')}`,
    )
  }

  /** A terminal that has become narrower has wrapped the painted lines. */
  #erasure(): string {
    const { columns = COLUMNS } = this.#out
    const rows = this.#lines.reduce((sum, { length }) => sum + Math.max(1, Math.ceil(length / columns)), 0)
    return rows === 0 ? '' : `\x1b[${rows}A\x1b[J`
  }
}

/** Shows the progress of a run: one repainted block on a terminal, a line every 5 s elsewhere. */
export const startLiveView = (options: {
  readonly observer: Pick<Observer, 'totals' | 'latency'>
  readonly simulator: Pick<SimulatorService, 'counts'> | undefined
  readonly urls: readonly string[]
  readonly readiness: () => ReadonlyMap<string, readonly string[]>
  readonly out: Terminal
}): LiveView => {
  const { observer, simulator, urls, readiness, out } = options
  const block = new Block(out)
  let timer: NodeJS.Timeout | undefined
  let looking: Promise<void> = Promise.resolve()
  let isStopped = false
  let counts: string | undefined
  const show = (lines: readonly string[]): void => {
    if (out.isTTY) block.paint(lines)
    else out.write(`${plainText(lines[0]!)}\n`)
  }
  const look = async (): Promise<void> => {
    try {
      const totals = await observer.totals()
      const latency = await observer.latency(new Date(Date.now() - LATENCY_SPAN_MS)).catch(() => undefined)
      if (isStopped) return
      counts = countsText(totals, simulator)
      const waiting = [...readiness()].map(([service, reasons]) => `${service} (${reasons.join(', ')})`)
      show([
        `${counts}   ${latencyText(latency)}`,
        ...urls,
        ...(waiting.length > 0 ? [`not ready: ${waiting.join(', ')}`] : []),
      ])
    } catch (error) {
      if (!isStopped) show([`The numbers cannot be read: ${(error as Error).message}`])
    }
    if (!isStopped) timer = setTimeout(next, out.isTTY ? TTY_MS : LINE_MS)
  }
  const next = (): void => {
    looking = look()
  }
  if (!out.isTTY) out.write(urls.map((url) => `${plainText(url)}\n`).join(''))
  next()
  return {
    say: (text) => {
      if (out.isTTY) block.say(text)
      else progress(text)
    },
    last: async () => {
      const limit = new Promise<undefined>((resolve) => {
        setTimeout(() => resolve(undefined), LAST_LOOK_MS).unref()
      })
      const totals = await Promise.race([observer.totals().catch(() => undefined), limit])
      return totals === undefined ? counts : countsText(totals, simulator)
    },
    stop: async () => {
      isStopped = true
      clearTimeout(timer)
      await looking
    },
  }
}

const countsText = (totals: Totals, simulator: Pick<SimulatorService, 'counts'> | undefined): string => {
  const { unique, duplicates, conflicts, deadLettered, downstreamLetters, rows } = totals
  const undecided = totals.onTopic + totals.toDedup - totals.received - totals.returned
  const sent = simulator?.counts()
  return [
    ...(sent ? [`accepted ${sent.accepted}`] : []),
    ...(sent !== undefined && sent.mismatches > 0 ? [`REFUSED ${sent.mismatches}`] : []),
    `unique ${unique}`,
    `duplicates ${duplicates}`,
    `conflicts ${conflicts}`,
    `dead-lettered ${deadLettered + downstreamLetters}`,
    `rows ${rows}`,
    `in flight ${undecided + unique - rows - downstreamLetters}`,
  ].join('   ')
}

const latencyText = (latency: Latency | undefined): string =>
  latency === undefined ? 'p50 - p99 -' : `p50 ${latency.p50} ms p99 ${latency.p99} ms`
