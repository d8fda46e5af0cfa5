import { setTimeout as sleep } from 'node:timers/promises'
import { EVENT_SERVICES, PROCESSORS, topicNames, type ProcessorName } from '@weir/contracts'
import { openEnds } from '../rig/cluster-state.ts'
import type { ServerUrls } from '../rig/layout.ts'
import type { Observer } from './observe.ts'

const LOOK_MS = 1_000
const REPORT_MS = 10_000
const topics = topicNames()

/** What each group reads of the events and what is counted of them. */
export const GROUPS: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  EVENT_SERVICES.filter((name) => name in PROCESSORS).map((name) => [
    name,
    [topics[PROCESSORS[name as ProcessorName].inputs[0]!]],
  ]),
)

const lookOnce = async (urls: ServerUrls, observer: Observer): Promise<readonly string[]> => {
  const { counts, onTopic, rows, downstreamLetters, influx } = await observer.totals()
  const open: string[] = []
  if (counts.received !== onTopic) open.push(`dedup has counted ${counts.received} of ${onTopic} records`)
  const ends = rows + downstreamLetters
  if (ends !== counts.unique) open.push(`${ends} rows and letters of ${counts.unique} unique events`)
  const inInflux = (influx?.eventsReceived ?? 0) + (influx?.eventsRejected ?? 0)
  if (influx !== undefined && inInflux !== counts.received) {
    open.push(`InfluxDB has ${inInflux} of ${counts.received} received`)
  }
  const left = await openEnds(urls.kafkaBrokers, GROUPS)
  return [...open, ...left.open.map(({ what, behind }) => `${what}: ${behind}`)]
}

/** Waits until nothing is under way any more, at most `ms`; returns what still was. */
export const untilQuiet = async (
  urls: ServerUrls,
  observer: Observer,
  ms: number,
  progress: (text: string) => void,
): Promise<readonly string[]> => {
  const deadline = performance.now() + ms
  let reportAt = performance.now() + REPORT_MS
  for (;;) {
    const open = await lookOnce(urls, observer).catch((error: unknown) => [
      `cannot look: ${(error as Error).message}`,
    ])
    if (open.length === 0 || performance.now() > deadline) return open
    if (performance.now() > reportAt) {
      reportAt += REPORT_MS
      progress(`  draining: ${open.slice(0, 4).join('; ')}`)
    }
    await sleep(LOOK_MS)
  }
}
