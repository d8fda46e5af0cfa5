import type { Totals } from '@weir/observer'
import { setTimeout as sleep } from 'node:timers/promises'
import { startLiveView } from '../live-view.ts'

// A live view with growing numbers, for a test that gives it a terminal.
let accepted = 0
const totals = (): Promise<Totals> =>
  Promise.resolve({
    onTopic: ++accepted,
    toDedup: 0,
    received: accepted,
    returned: 0,
    unique: accepted,
    malformed: 0,
    malformedRepeats: 0,
    duplicates: 0,
    conflicts: 0,
    deadLettered: 0,
    downstreamLetters: 0,
    rows: accepted,
  })
const view = startLiveView({
  observer: { totals, latency: () => Promise.resolve({ p50: 12, p99: 345 }) },
  simulator: undefined,
  urls: ['webhooks   http://127.0.0.1:3000/webhooks/<source>   (metrics: /metrics) and more', 'short'],
  readiness: () =>
    new Map([
      ['persistence', ['partition 0 is backing_off', 'partition 1 is restoring', 'partition 2 is parked']],
    ]),
  out: process.stdout,
})
while (accepted < 2) await sleep(20)
view.say('InfluxDB is ready after 61 s')
while (accepted < 4) await sleep(20)
await view.stop()
