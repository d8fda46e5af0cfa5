import { randomBytes } from 'node:crypto'
import { testServers, type InfluxAccess } from '@weir/testkit'
import { describe, expect, it } from 'vitest'
import {
  InfluxUnavailableError,
  PointsRefusedError,
  readTotals,
  writePoints,
  type InfluxSettings,
} from './influx.ts'

type Access = Pick<InfluxSettings, 'influxUrl' | 'influxToken' | 'influxOrg' | 'influxBucket'>

const { influx, influxMissing, influx2, influx2Missing } = testServers()
const servers: { readonly version: string; readonly access: Access; readonly checksTokens: boolean }[] = []
const accessOf = ({ url, token, org, bucket }: InfluxAccess): Access => ({
  influxUrl: url,
  influxToken: token,
  influxOrg: org,
  influxBucket: bucket,
})
if (influx === undefined) {
  process.stderr.write(`InfluxDB 1.8 is not tested: ${influxMissing ?? ''}\n`)
} else {
  servers.push({ version: '1.8, or as given', access: accessOf(influx), checksTokens: false })
}
if (influx2 === undefined) {
  process.stderr.write(`InfluxDB 2.9.1 is not tested: ${influx2Missing ?? ''}\n`)
} else {
  servers.push({ version: '2.9.1', access: accessOf(influx2), checksTokens: true })
}

const ask = ({ influxToken: token }: Access, url: string, body?: string): Promise<Response> =>
  fetch(url, {
    ...(body !== undefined && { method: 'POST', body }),
    ...(token !== '' && { headers: { authorization: `Token ${token}` } }),
  })

/** 1.8 writes to buckets of version 2, and cannot make them. */
const newBucket = async (access: Access): Promise<string> => {
  const { influxUrl: url, influxOrg: org } = access
  const name = `test_${randomBytes(4).toString('hex')}`
  const orgs = await ask(access, `${url}/api/v2/orgs?org=${org}`)
  if (orgs.ok) {
    const [found] = ((await orgs.json()) as { readonly orgs: readonly { readonly id: string }[] }).orgs
    const body = JSON.stringify({ orgID: found!.id, name, retentionRules: [] })
    expect((await ask(access, `${url}/api/v2/buckets`, body)).status).toBe(201)
  } else {
    expect((await ask(access, `${url}/query?q=CREATE%20DATABASE%20${name}`, '')).status).toBe(200)
  }
  return name
}

const point = (source: string, windowStart: number, received: number) => ({
  source,
  windowStart,
  received,
  deduplicated: 1,
  rejected: 2,
})
const AT = 1_700_000_000_000

describe.each(servers)('InfluxDB $version', ({ access, checksTokens }) => {
  const settings = (): InfluxSettings => ({
    ...access,
    influxTimeoutMs: 20_000,
    environment: `test-${randomBytes(4).toString('hex')}`,
  })

  it('sums the last values of each window, source and partition, of this environment only', async () => {
    const mine = settings()
    await writePoints(mine, 0, [point('a', AT, 3), point('b', AT, 4), point('a', AT + 10_000, 5)])
    await writePoints(mine, 0, [point('a', AT, 10)])
    await writePoints(mine, 1, [point('a', AT, 100)])
    await writePoints(settings(), 0, [point('a', AT, 1_000)])
    expect(await readTotals(mine)).toEqual({ eventsReceived: 119, eventsDeduplicated: 4, eventsRejected: 8 })
  })

  // 1,000 is the batch of the client, 5,000 ours.
  it.each([999, 1_000, 1_001, 5_000, 12_000])(
    'has all of %i points when the write resolves',
    async (count) => {
      const mine = settings()
      const points = Array.from({ length: count }, (_, i) => point('a', AT + i * 10_000, 2))
      await writePoints(mine, 0, points)
      expect(await readTotals(mine)).toEqual({
        eventsReceived: 2 * count,
        eventsDeduplicated: count,
        eventsRejected: 2 * count,
      })
    },
  )

  it('waits for a missing bucket', async () => {
    const elsewhere = { ...settings(), influxBucket: 'no_such_bucket/none' }
    await expect(writePoints(elsewhere, 0, [point('a', AT, 1)])).rejects.toThrow(
      'InfluxDB responds with status 404',
    )
  })

  // 1.8 as the tests run it asks nobody who he is.
  if (checksTokens) {
    it('waits for a valid token, whatever the number of points', async () => {
      for (const count of [1, 1_000]) {
        const points = Array.from({ length: count }, (_, i) => point('a', AT + i * 10_000, 1))
        const write = writePoints({ ...settings(), influxToken: 'wrong' }, 0, points)
        await expect(write).rejects.toThrow('InfluxDB responds with status 401')
      }
    })
  }

  it('gives up points whose field has another type in the database, and reports it', async () => {
    // Alone there: 1.8 cannot sum a field that has two types anywhere in its database.
    const mine = { ...settings(), influxBucket: await newBucket(access) }
    const { influxUrl: url, influxOrg: org, influxBucket: bucket } = mine
    const query = new URLSearchParams({ org, bucket, precision: 'ms' })
    const line = `cxone_deduplication_stats,environment=${mine.environment} events_received="text" ${AT}`
    const { status } = await ask(access, `${url}/api/v2/write?${query.toString()}`, line)
    expect(status).toBe(204)
    await expect(writePoints(mine, 0, [point('a', AT, 1)])).rejects.toThrow(PointsRefusedError)
  })
})

it('reports an unavailable server, and no success', async () => {
  const away = { influxUrl: 'http://127.0.0.1:1', influxToken: '', influxOrg: 'o', influxBucket: 'b' }
  const write = writePoints({ ...away, influxTimeoutMs: 1_000, environment: 'e' }, 0, [point('a', 0, 1)])
  await expect(write).rejects.toThrow(InfluxUnavailableError)
})
