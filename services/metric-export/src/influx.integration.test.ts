import { randomBytes } from 'node:crypto'
import { testServers } from '@weir/testkit'
import { describe, expect, it } from 'vitest'
import { InfluxUnavailableError, readTotals, writePoints } from './influx.ts'

const { influxUrl, influxMissing } = testServers()
if (influxUrl === undefined)
  process.stderr.write(`InfluxDB is not tested: ${influxMissing ?? 'INFLUX_URL is not set'}\n`)

const settings = (url: string) => ({
  ...{ influxUrl: url, influxToken: '', influxOrg: 'default', influxBucket: 'cxone_metrics/autogen' },
  ...{ influxTimeoutMs: 5_000, environment: `test-${randomBytes(4).toString('hex')}` },
})

const point = (source: string, windowStart: number, received: number) => ({
  ...{ source, windowStart, received, deduplicated: 1, rotations: 0, keysHeld: 7 },
})

describe.runIf(influxUrl !== undefined)('InfluxDB', () => {
  it('sums what was written last of each window, source and partition', async () => {
    const mine = settings(influxUrl!)
    const at = 1_700_000_000_000
    await writePoints(mine, 0, [point('a', at, 3), point('b', at, 4), point('a', at + 10_000, 5)])
    await writePoints(mine, 0, [point('a', at, 10)])
    await writePoints(mine, 1, [point('a', at, 100)])
    await writePoints(settings(influxUrl!), 0, [point('a', at, 1_000)])
    expect(await readTotals(mine)).toEqual({ eventsReceived: 119, eventsDeduplicated: 4 })
  })
})

it('says that the server is away, and does not report success', async () => {
  await expect(writePoints(settings('http://127.0.0.1:1'), 0, [point('a', 0, 1)])).rejects.toThrow(
    InfluxUnavailableError,
  )
})
