import { randomBytes } from 'node:crypto'
import { encodeDedupStats, TOPIC_SPECS, topicNames } from '@weir/contracts'
import { ensureTopics, openLanes, type Lanes } from '@weir/kafka'
import { createLogger, Metrics, type Service } from '@weir/runtime'
import { isolatedKafka, testServers } from '@weir/testkit'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { readTotals, service as metricExport } from './index.ts'
import { InfluxProxy } from './testing/influx-proxy.ts'
import { statsOf } from './testing/stats-log.ts'

const logger = createLogger('metric-export-test', 'silent')
const WAIT = { timeout: 40_000, interval: 50 }
const TIMEOUT_MS = 2_000
const { influx, influxMissing } = testServers()
if (influx === undefined) {
  process.stderr.write(`metric-export behind a bad network is not tested: ${influxMissing ?? ''}\n`)
}

const settings = isolatedKafka('metric-export')
const topics = topicNames(settings.topicPrefix)
const environment = `test-${randomBytes(4).toString('hex')}`
let proxy: InfluxProxy
let lanes: Lanes
let service: Service | undefined
let expected = 0

const start = async (): Promise<void> => {
  const { token, org, bucket } = influx!
  const config = metricExport.loadConfig({
    WEIR_PROFILE: 'dev',
    KAFKA_BROKERS: settings.kafkaBrokers.join(','),
    LOG_LEVEL: 'silent',
    TOPIC_PREFIX: settings.topicPrefix,
    TOPIC_PARTITIONS: String(settings.topicPartitions),
    KAFKA_SESSION_TIMEOUT_MS: '6000',
    METRIC_EXPORT_PROBE_PORT: '0',
    METRIC_EXPORT_LINGER_MS: '0',
    INFLUX_URL: proxy.url,
    INFLUX_TOKEN: token,
    INFLUX_ORG: org,
    INFLUX_BUCKET: bucket,
    INFLUX_TIMEOUT_MS: String(TIMEOUT_MS),
    METRIC_EXPORT_ENVIRONMENT: environment,
  })
  service = await metricExport.start(config, { logger, metrics: new Metrics('metric-export') })
}

const count = async (received: number, windowStart: number, source = 'cxone'): Promise<void> => {
  expected += received
  const value = encodeDedupStats(statsOf({ source, received, windowStart, unique: received }))
  await lanes.send(0, { key: Buffer.from(source), value, headers: {} })
}

/** Asked past the proxy. */
const total = async (): Promise<number> => {
  const { url, token, org, bucket } = influx!
  const access = { influxUrl: url, influxToken: token, influxOrg: org, influxBucket: bucket }
  return (await readTotals({ ...access, influxTimeoutMs: 10_000, environment })).eventsReceived
}
const exact = () => vi.waitFor(async () => expect(await total()).toBe(expected), WAIT)

beforeAll(async () => {
  if (influx === undefined) return
  proxy = await InfluxProxy.open(influx.url)
  await ensureTopics({ settings, logger, specs: TOPIC_SPECS, replicationFactor: 1, minInsyncReplicas: 1 })
  lanes = await openLanes({
    settings,
    logger,
    topic: topics.stats,
    lingerMs: 0,
    deadlineMs: 20_000,
    batchRecordsMax: 100,
    batchBytesMax: 500_000,
    queueBytesMax: 10_000_000,
  })
}, 60_000)

afterAll(async () => {
  await service?.stop()
  await (lanes as Lanes | undefined)?.close()
  await (proxy as InfluxProxy | undefined)?.close()
})

const AT = 1_700_000_000_000

if (influx !== undefined) {
  it('has exact totals after late, broken and unanswered writes and a restart', async () => {
    await start()
    await count(5, AT)
    await exact()

    // A write that was given up arrives when its window is closed and has a higher value.
    proxy.set('held')
    await count(1, AT)
    await vi.waitFor(() => expect(proxy.count).toBeGreaterThan(0), WAIT)
    proxy.set('passed')
    await vi.waitFor(async () => expect(await total()).toBe(expected), WAIT)
    await count(4, AT)
    await count(8, AT + 10_000)
    await exact()
    await proxy.release()
    expect(await total()).toBe(expected - 4)
    await exact()

    // The same with a process that has ended meanwhile: its successor knows which windows may be too low.
    proxy.set('held')
    await count(16, AT + 10_000)
    await vi.waitFor(() => expect(proxy.count).toBeGreaterThan(0), WAIT)
    proxy.set('passed')
    await exact()
    await count(32, AT + 10_000)
    await count(64, AT + 20_000)
    await exact()
    await service?.stop()
    await proxy.release()
    expect(await total()).toBe(expected - 32)
    await start()
    await exact()

    for (const fate of ['broken', 'unanswered'] as const) {
      proxy.set(fate)
      await count(128, AT + 20_000)
      await vi.waitFor(() => expect(proxy.count).toBeGreaterThan(0), WAIT)
      proxy.set('passed')
      await exact()
    }

    // More sources than the metadata of an offset could hold sums.
    await Promise.all(
      Array.from({ length: 200 }, (_, i) =>
        count(1, AT + 30_000, `a-source-with-a-name-${i}`.padEnd(40, 'x')),
      ),
    )
    await exact()
    await service?.stop()
    await start()
    await count(1, AT + 30_000, 'cxone')
    await exact()
  }, 180_000)
}
