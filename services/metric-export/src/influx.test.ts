import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import { HOSTILE_WAYS, hostileServer, ordeal } from '@weir/testkit'
import { describe, expect, it, onTestFinished } from 'vitest'
import { InfluxUnavailableError, PointsRefusedError, writePoints } from './influx.ts'
import type { SourcePoint } from './window-sums.ts'

const points = (count: number): SourcePoint[] =>
  Array.from({ length: count }, (_, i) => ({
    source: 'cxone',
    windowStart: i * 10_000,
    received: 1,
    deduplicated: 0,
    rejected: 0,
  }))

/** A database that takes its time and answers each write with `status`; counts what it has answered. */
const openStub = async (status: number) => {
  const seen = { requests: 0, lines: 0, bytesMax: 0, last: '' }
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const sent = Buffer.concat(chunks)
    const body = request.headers['content-encoding'] === 'gzip' ? gunzipSync(sent) : sent
    await sleep(20)
    seen.requests += 1
    seen.last = body.toString()
    seen.bytesMax = Math.max(seen.bytesMax, body.length)
    if (status === 204) seen.lines += body.toString().split('\n').length
    response.writeHead(status, { 'content-type': 'application/json' }).end(status === 204 ? '' : '{}')
  }
  const server = createServer((request, response) => void answer(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const influxUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const settings = {
    influxUrl,
    influxToken: 't',
    influxOrg: 'o',
    influxBucket: 'b',
    influxTimeoutMs: 5_000,
    environment: 'test',
  }
  return { seen, settings }
}

it.each(HOSTILE_WAYS)('an InfluxDB that %s is away, in bounded time and memory', async (way) => {
  const influxUrl = `http://127.0.0.1:${await hostileServer('http', way)}`
  const settings = {
    influxUrl,
    influxToken: 'secret',
    influxOrg: 'o',
    influxBucket: 'b',
    influxTimeoutMs: 400,
    environment: 'test',
  }
  const { outcome, ms, grownBytes } = await ordeal(() => writePoints(settings, 0, points(1)))
  expect(outcome).toBeInstanceOf(InfluxUnavailableError)
  expect((outcome as Error).message).toMatch(/does not respond: (no answer|the answer has more than)/)
  expect(ms).toBeLessThan(5_000)
  expect(grownBytes).toBeLessThan(60_000_000)
})

// 1,000 is the client's own batch: with as many points it used to say that all is done before anything was.
it.each([0, 1, 999, 1_000, 1_001, 2_000, 12_345])(
  'resolves once all of %i points are acknowledged, not before',
  async (count) => {
    const { seen, settings } = await openStub(204)
    await writePoints(settings, 0, points(count))
    expect(seen.lines).toBe(count)
  },
)

it('bounds the size of its requests, whatever the database would accept', async () => {
  const { seen, settings } = await openStub(204)
  await writePoints(settings, 0, points(20_000))
  expect(seen.requests).toBeGreaterThan(3)
  expect(seen.bytesMax).toBeLessThan(1_500_000)
})

it.each([1, 1_000, 2_000])(
  'reports each refusal of %i points and leaves trying again to its caller',
  async (count) => {
    for (const status of [401, 403, 404, 429, 500, 503]) {
      const { seen, settings } = await openStub(status)
      await expect(writePoints(settings, 0, points(count))).rejects.toThrow(InfluxUnavailableError)
      expect(seen.requests).toBe(1)
    }
    for (const status of [400, 413, 422]) {
      const { settings } = await openStub(status)
      await expect(writePoints(settings, 0, points(count))).rejects.toThrow(PointsRefusedError)
    }
  },
)

it('does not treat a malformed point of its own as an unavailable database', async () => {
  const { seen, settings } = await openStub(204)
  const odd = [{ ...points(1)[0]!, received: Number.NaN }]
  const error = await writePoints(settings, 0, odd).catch((one: unknown) => one)
  expect(error).toBeInstanceOf(Error)
  expect(error).not.toBeInstanceOf(InfluxUnavailableError)
  expect(seen.requests).toBe(0)
})

describe('S4 Bloom dedup', () => {
  it('S4-06 writes the fields and tags of its measurement, and figures of a partition once and without a source', async () => {
    const { seen, settings } = await openStub(204)
    const at = 1_700_000_000_000
    await writePoints({ ...settings, environment: 'production' }, 3, [
      { source: 'nice', windowStart: at, received: 7, deduplicated: 2, rejected: 1 },
      { source: 'cxone', windowStart: at, received: 5, deduplicated: 0, rejected: 0 },
      { source: undefined, windowStart: at, rotations: 4, keysHeld: 10 },
    ])
    expect(seen.last.split('\n')).toEqual([
      `cxone_deduplication_stats,environment=production,partition=3,source=nice events_deduplicated=2i,events_received=7i,events_rejected=1i ${at}`,
      `cxone_deduplication_stats,environment=production,partition=3,source=cxone events_deduplicated=0i,events_received=5i,events_rejected=0i ${at}`,
      `cxone_deduplication_stats,environment=production,partition=3 compaction_count=4i,state_cache_size=10i ${at}`,
    ])
  })
})
