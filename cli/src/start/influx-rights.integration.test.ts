import { randomBytes } from 'node:crypto'
import { grantMetrics, influxMetricsToken } from '@weir/local-stack'
import { readTotals } from '@weir/metric-export'
import { testServers } from '@weir/testkit'
import { expect, it } from 'vitest'

const { influx, influxMissing } = testServers()
if (influx === undefined) process.stderr.write(`Rights in InfluxDB are not tested: ${influxMissing ?? ''}\n`)

it.skipIf(influx === undefined)(
  'the user of metric-export writes and reads the points of its database, and does nothing else',
  async () => {
    const { url, token: adminToken } = influx!
    const password = randomBytes(16).toString('hex')
    await grantMetrics(url, adminToken, password)
    await grantMetrics(url, adminToken, password)
    const token = influxMetricsToken(password)
    const environment = `rights-${password}`
    const settings = {
      influxUrl: url,
      influxToken: token,
      influxOrg: 'default',
      influxBucket: 'cxone_metrics/autogen',
      influxTimeoutMs: 10_000,
      environment,
    }
    const headers = { authorization: `Token ${token}` }
    const write = async (bucket: string): Promise<number> => {
      const query = new URLSearchParams({ org: 'default', bucket, precision: 'ms' })
      const body = `cxone_deduplication_stats,environment=${environment} events_received=3i,events_deduplicated=1i 1`
      return (await fetch(`${url}/api/v2/write?${query.toString()}`, { method: 'POST', headers, body }))
        .status
    }
    expect(await write(settings.influxBucket)).toBe(204)
    expect(await readTotals(settings)).toEqual({
      eventsReceived: 3,
      eventsDeduplicated: 1,
      eventsRejected: 0,
    })

    const statusOf = async (q: string): Promise<number> => {
      const body = new URLSearchParams({ q })
      return (await fetch(`${url}/query`, { method: 'POST', headers, body })).status
    }
    const refused = [
      'CREATE DATABASE another',
      'DROP DATABASE cxone_metrics',
      "CREATE USER another WITH PASSWORD 'x' WITH ALL PRIVILEGES",
      'GRANT ALL PRIVILEGES TO weir_metrics',
      "SET PASSWORD FOR weir = 'x'",
      'SHOW USERS',
    ]
    for (const statement of refused) expect([statement, await statusOf(statement)]).toEqual([statement, 403])
    expect(await write('_internal/autogen')).toBeGreaterThanOrEqual(400)
  },
  30_000,
)
