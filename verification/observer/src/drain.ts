import { setTimeout as sleep } from 'node:timers/promises'
import type { Observer, Totals } from './observer.ts'

const DRAIN_MS_MAX = 180_000
const REPORT_MS = 5_000
const LOOK_MS = 250

/** Sums over all points of one environment. */
export interface InfluxTotals {
  readonly eventsReceived: number
  readonly eventsDeduplicated: number
  readonly eventsRejected: number
}

export interface DrainOptions {
  readonly observer: Pick<Observer, 'totals'>
  /** Absent: there is no InfluxDB to wait for. */
  readonly influx?: () => Promise<InfluxTotals>
  readonly progress?: (text: string) => void
  readonly msMax?: number
}

export interface Drained {
  readonly totals: Totals
  readonly influx: InfluxTotals | undefined
  /** What had not come to its end in time; empty: everything did. */
  readonly waitingFor: readonly string[]
}

const openEnds = (totals: Totals): string[] => {
  const { onTopic, toDedup, received, returned, unique, rows, downstreamLetters } = totals
  const open: string[] = []
  const given = onTopic + toDedup
  const decided = received + returned
  if (decided < given) open.push(`dedup: ${given - decided} records`)
  const ends = rows + downstreamLetters
  if (ends < unique) open.push(`rows: ${unique - ends}`)
  return open
}

/** What the points must add up to: malformed bodies are no events, and are counted apart. */
export const pointsOf = ({
  received,
  duplicates,
  malformed,
  malformedRepeats,
}: Pick<Totals, 'received' | 'duplicates' | 'malformed' | 'malformedRepeats'>): InfluxTotals => ({
  eventsReceived: received - malformed,
  eventsDeduplicated: duplicates - malformedRepeats,
  eventsRejected: malformed,
})

const openPoints = (totals: Totals, influx: InfluxTotals | undefined): string[] => {
  if (influx === undefined) return ['InfluxDB: no answer']
  const wanted = pointsOf(totals)
  const { eventsReceived, eventsDeduplicated, eventsRejected } = influx
  if (
    eventsReceived === wanted.eventsReceived &&
    eventsDeduplicated === wanted.eventsDeduplicated &&
    eventsRejected === wanted.eventsRejected
  ) {
    return []
  }
  return [
    `InfluxDB: ${eventsReceived} of ${wanted.eventsReceived} received, ` +
      `${eventsDeduplicated} of ${wanted.eventsDeduplicated} duplicates, ` +
      `${eventsRejected} of ${wanted.eventsRejected} rejected`,
  ]
}

/**
 * Waits until everything that was received has come to its end, at most `msMax` (180 s). Rejects when that cannot be
 * seen by then.
 */
export const drain = async (options: DrainOptions): Promise<Drained> => {
  const { observer, influx, progress = () => undefined, msMax = DRAIN_MS_MAX } = options
  const deadline = performance.now() + msMax
  let reportAt = performance.now() + REPORT_MS
  for (;;) {
    const drained = await look(observer, influx).catch((error: unknown) => error as Error)
    if (performance.now() > deadline) {
      if (drained instanceof Error) throw drained
      return drained
    }
    const waitingFor = drained instanceof Error ? [`cannot look: ${drained.message}`] : drained.waitingFor
    if (!(drained instanceof Error) && waitingFor.length === 0) return drained
    if (performance.now() > reportAt) {
      reportAt += REPORT_MS
      progress(`Draining: ${waitingFor.join('; ')}`)
    }
    await sleep(LOOK_MS)
  }
}

const look = async (
  observer: DrainOptions['observer'],
  readInflux: DrainOptions['influx'],
): Promise<Drained> => {
  const totals = await observer.totals()
  const influx = await readInflux?.().catch(() => undefined)
  const points = readInflux === undefined ? [] : openPoints(totals, influx)
  return { totals, influx, waitingFor: [...openEnds(totals), ...points] }
}
