import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger } from '@weir/runtime'
import { HOSTILE_WAYS, hostileServer, ordeal } from '@weir/testkit'
import { afterEach, expect, it, onTestFinished } from 'vitest'
import { dataActionSources, DatadogGauges } from './datadog.ts'

let server: Server | undefined
afterEach(() => server?.close())

const stub = async (statuses: number[], host = 'cxone-consumer-01', sources = ['cxone-dataaction']) => {
  const bodies: unknown[] = []
  server = createServer((request, response) => {
    let text = ''
    request.on('data', (chunk: Buffer) => (text += chunk.toString()))
    request.on('end', () => {
      bodies.push({ key: request.headers['dd-api-key'], url: request.url, ...(JSON.parse(text) as object) })
      response.writeHead(statuses.shift() ?? 202, { location: '/elsewhere' }).end('{}')
    })
  })
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve))
  const gauges = new DatadogGauges({
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    apiKey: 'key',
    host,
    sources: new Set(sources),
    intervalMs: 3_600_000,
    logger: createLogger('test', 'silent'),
    backoffMs: [1, 1],
  })
  const adoption = { adopted: 3, total: 4, rate: 75, versions: 2, oldestArriving: 2 }
  gauges.set(new Map(['cxone', 'cxone-dataaction', 'tenant-b'].map((source) => [source, adoption])))
  return { bodies, gauges }
}

it.each(HOSTILE_WAYS)('logs a Datadog that %s, and blocks nothing', async (way) => {
  const said: unknown[] = []
  const gauges = new DatadogGauges({
    url: `http://127.0.0.1:${await hostileServer('http', way)}`,
    apiKey: 'canary',
    host: 'h',
    sources: new Set(['cxone-dataaction']),
    intervalMs: 3_600_000,
    logger: { warn: (...line: unknown[]) => said.push(line) } as never,
    timeoutMs: 400,
  })
  gauges.set(
    new Map([['cxone-dataaction', { adopted: 3, total: 4, rate: 75, versions: 2, oldestArriving: 2 }]]),
  )
  const { outcome, ms, grownBytes } = await ordeal(() => gauges.send())
  await gauges.close()
  expect(outcome).toBeUndefined()
  expect(JSON.stringify(said)).toMatch(
    /^\[\[\{"error":"(no answer|the answer has more)[^"]*"\},"Datadog does not respond"\]\]$/,
  )
  expect(ms).toBeLessThan(5_000)
  expect(grownBytes).toBeLessThan(60_000_000)
})

it('does not send the API key to a redirect target', async () => {
  const { bodies, gauges } = await stub([307, 202])
  await gauges.send()
  await gauges.close()
  expect(bodies).toHaveLength(1)
})

it.each(['cxone-consumer-01', 'consumer-01'])('S3-06 sends the three gauges of host %s', async (host) => {
  const { bodies, gauges } = await stub([], host)
  await gauges.send()
  await gauges.close()
  expect(bodies).toHaveLength(1)
  expect(bodies[0]).toMatchObject({
    key: 'key',
    url: '/api/v2/series',
    series: [
      { metric: 'cxone.dataaction.schema_version.adopted', type: 3, points: [{ value: 3 }] },
      { metric: 'cxone.dataaction.schema_version.total', points: [{ value: 4 }] },
      {
        metric: 'cxone.dataaction.schema_version.adoption_rate',
        points: [{ value: 75 }],
        resources: [{ type: 'host', name: host }],
        tags: ['source:cxone-dataaction'],
      },
    ],
  })
})

it.each([
  ['429 three times in all', [429, 429, 429, 202], 3],
  ['429 until it is taken', [429, 202], 2],
  ['no other error', [500], 1],
])('S3-06 tries again on %s', async (_, statuses, tries) => {
  const { bodies, gauges } = await stub(statuses)
  await gauges.send()
  await gauges.close()
  expect(bodies).toHaveLength(tries)
})

it('S3-06 blocks nothing while Datadog does not respond', async () => {
  const { gauges } = await stub([])
  await new Promise((resolve) => server!.close(resolve))
  await expect(gauges.send()).resolves.toBeUndefined()
  await gauges.close()
})

it('S3-06 sends gauges for every source with the preset, tagged with the source, and for no other source', async () => {
  const { bodies, gauges } = await stub([], 'h', ['cxone-dataaction', 'tenant-b', 'silent'])
  await gauges.send()
  await gauges.close()
  const { series } = bodies[0] as { series: { metric: string; tags: string[] }[] }
  expect(series.map(({ metric, tags }) => `${metric.split('.').at(-1)!} ${tags.join()}`)).toEqual(
    ['cxone-dataaction', 'tenant-b'].flatMap((source) =>
      ['adopted', 'total', 'adoption_rate'].map((name) => `${name} source:${source}`),
    ),
  )
})

it('S3-06 includes the built-in source and the sources of a sources file that use its preset', () => {
  const dir = mkdtempSync(join(tmpdir(), 'weir-datadog-'))
  const file = join(dir, 'sources.yaml')
  onTestFinished(() => {
    rmSync(dir, { recursive: true })
  })
  writeFileSync(
    file,
    'version: 1\nsources:\n  tenant-b: { preset: cxone-dataaction }\n  other: { preset: nice }\n',
  )
  expect(dataActionSources(undefined)).toEqual(new Set(['cxone-dataaction']))
  expect(dataActionSources(file)).toEqual(new Set(['tenant-b', 'cxone-dataaction']))
})
