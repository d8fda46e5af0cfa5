import { setTimeout as sleep } from 'node:timers/promises'
import { RetriableError } from '@weir/kafka'
import { readTotals, type InfluxSettings, type InfluxTotals } from '@weir/metric-export'
import type { Observer, Totals } from './observe.ts'

const DRAIN_MS_MAX = 180_000
const LOOK_MS = 250

export interface Drained {
  readonly totals: Totals
  readonly influx: InfluxTotals | undefined
  /** What had not come to its end in time; empty: everything did. */
  readonly waitingFor: readonly string[]
}

const openEnds = (totals: Totals, influx: InfluxTotals | undefined, hasInflux: boolean): string[] => {
  const { onTopic, received, unique, duplicates, rows, downstreamLetters } = totals
  const open: string[] = []
  if (received < onTopic) open.push(`dedup: ${onTopic - received} records`)
  const ends = rows + downstreamLetters
  if (ends < unique) open.push(`rows: ${unique - ends}`)
  if (!hasInflux) return open
  if (influx === undefined) open.push('InfluxDB: no answer')
  else if (influx.eventsReceived !== received || influx.eventsDeduplicated !== duplicates) {
    open.push(
      `InfluxDB: ${influx.eventsReceived} of ${received} received, ${influx.eventsDeduplicated} of ${duplicates} duplicates`,
    )
  }
  return open
}

/** Waits until everything that was received has come to its end, at most 180 s. */
export const drain = async (
  observer: Observer,
  influx: InfluxSettings | undefined,
  progress: (text: string) => void,
): Promise<Drained> => {
  const deadline = performance.now() + DRAIN_MS_MAX
  let reportAt = performance.now() + 5_000
  for (;;) {
    const isLast = performance.now() > deadline
    const totals = await observer.totals().catch((error: unknown) => {
      // A leader moves; the next look finds it.
      if (isLast || !(error instanceof RetriableError)) throw error
      return undefined
    })
    if (totals === undefined) {
      await sleep(LOOK_MS)
      continue
    }
    const influxTotals = influx && (await readTotals(influx).catch(() => undefined))
    const waitingFor = openEnds(totals, influxTotals, influx !== undefined)
    if (waitingFor.length === 0 || isLast) return { totals, influx: influxTotals, waitingFor }
    if (performance.now() > reportAt) {
      reportAt += 5_000
      progress(`Draining: ${waitingFor.join('; ')}`)
    }
    await sleep(LOOK_MS)
  }
}
