import { expect, it } from 'vitest'
import { drain, type InfluxTotals } from './drain.ts'
import type { Totals } from './observer.ts'

const DONE: Totals = {
  toDedup: 3,
  returned: 3,
  onTopic: 10,
  received: 10,
  unique: 6,
  duplicates: 2,
  conflicts: 1,
  deadLettered: 1,
  malformed: 3,
  malformedRepeats: 1,
  downstreamLetters: 1,
  rows: 5,
}
const EXACT: InfluxTotals = { eventsReceived: 7, eventsDeduplicated: 1, eventsRejected: 3 }

const observing = (...looks: readonly (Totals | Error)[]) => {
  let count = 0
  return {
    totals: (): Promise<Totals> => {
      const look = looks[Math.min(count, looks.length - 1)]!
      count += 1
      return look instanceof Error ? Promise.reject(look) : Promise.resolve(look)
    },
  }
}

it('ends as soon as everything has come to its end, over looks that fail', async () => {
  const observer = observing({ ...DONE, received: 9 }, new Error('away'), { ...DONE, rows: 4 }, DONE)
  const drained = await drain({ observer, influx: () => Promise.resolve(EXACT) })
  expect(drained).toEqual({ totals: DONE, influx: EXACT, waitingFor: [] })
})

it.each([
  ['dedup', { ...DONE, received: 8 }, 'dedup: 2 records'],
  ['dedup after a replay', { ...DONE, returned: 2 }, 'dedup: 1 records'],
  ['rows', { ...DONE, rows: 3 }, 'rows: 2'],
])('says that it still waits for %s', async (_, totals, text) => {
  const { waitingFor } = await drain({ observer: observing(totals), msMax: 0 })
  expect(waitingFor).toEqual([text])
})

it('waits for the exact totals of InfluxDB, neither fewer nor more, and only where there is one', async () => {
  const observer = observing(DONE)
  const waitingWith = async (influx: () => Promise<InfluxTotals>) =>
    (await drain({ observer, influx, msMax: 0 })).waitingFor
  for (const name of Object.keys(EXACT) as (keyof InfluxTotals)[]) {
    for (const by of [-1, 1]) {
      expect(await waitingWith(() => Promise.resolve({ ...EXACT, [name]: EXACT[name] + by }))).toHaveLength(1)
    }
  }
  expect(await waitingWith(() => Promise.reject(new Error('planted')))).toEqual(['InfluxDB: no answer'])
  expect(await drain({ observer, msMax: 0 })).toMatchObject({ influx: undefined, waitingFor: [] })
})

it('rejects when nothing could be seen in the time', async () => {
  await expect(drain({ observer: observing(new Error('away')), msMax: 0 })).rejects.toThrow('away')
})
