import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HEADER } from '@weir/contracts'
import { partitionOf } from '@weir/kafka'
import { createLogger, Metrics, type Service } from '@weir/runtime'
import { isolatedKafka } from '@weir/testkit'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { KafkaProxy } from '../../../packages/kafka/src/testing/kafka-proxy.ts'
import { Deployment } from '../../../services/dedup/src/testing/deployment.ts'
import { service as ingress } from '../../../services/ingress/src/index.ts'

/** Batches through ingress and dedup on a real broker. The test can make one partition fail. */
const WAIT = { timeout: 30_000, interval: 50 }
const ELEMENTS = 60
const FAILING = 1
const settings = isolatedKafka('batches')
const folder = mkdtempSync(join(tmpdir(), 'weir-batches-'))
const deployment = new Deployment(settings)
let proxy: KafkaProxy
let service: Service
let port = 0

beforeEach(async () => {
  await deployment.createTopics()
  proxy = await KafkaProxy.start(settings.kafkaBrokers[0]!, 2)
  proxy.leader = ({ partition }) => partition % 2
  const file = join(folder, 'sources.yaml')
  writeFileSync(
    file,
    "version: 1\nsources:\n  feed: { preset: custom, unsigned: true, split: $.events, eventType: '{type}' }\n",
  )
  const config = ingress.loadConfig({
    WEIR_PROFILE: 'dev',
    KAFKA_BROKERS: proxy.brokers.join(','),
    TOPIC_PREFIX: settings.topicPrefix,
    TOPIC_PARTITIONS: String(settings.topicPartitions),
    SOURCES_FILE: file,
    INGRESS_PORT: '0',
    INGRESS_HOST: '127.0.0.1',
    INGRESS_REQUEST_BUDGET_MS: '1500',
  })
  const lines: { address?: { port: number } }[] = []
  const logger = createLogger('test', 'silent')
  vi.spyOn(logger, 'info').mockImplementation((fields) => void lines.push(fields as never))
  service = await ingress.start(config, { logger, metrics: new Metrics('ingress') })
  port = lines.find(({ address }) => address !== undefined)!.address!.port
  await vi.waitFor(() => expect(service.readiness()).toEqual([]), WAIT)
})

afterEach(async () => {
  await service.stop()
  await deployment.close()
  await proxy.stop()
  rmSync(folder, { recursive: true })
})

const post = async (elements: readonly string[]) => {
  const response = await fetch(`http://127.0.0.1:${port}/webhooks/feed`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: `{"events":[${elements.join(', ')}]}`,
  })
  return response.status
}

it('does not acknowledge a batch if one partition fails, and its repeat gives each element once', async () => {
  const { received, unique, dedupDlq } = deployment.topics
  const events = Array.from({ length: ELEMENTS }, (_, i) => `{"id": "e-${i}", "type":"t","n":10.${i}0}`)
  const elements = [...events, 'null', '{"id":"no type"}']
  proxy.leader = ({ partition, topic }) => (topic === received && partition === FAILING ? -1 : partition % 2)
  expect(await post(elements)).toBe(503)
  const half = await deployment.read(received)
  expect(half.length).toBeGreaterThan(0)
  expect(half.filter(({ partition }) => partition === FAILING)).toEqual([])
  expect(await post(elements)).toBe(503)

  proxy.leader = ({ partition }) => partition % 2
  await vi.waitFor(async () => expect(await post(elements)).toBe(200), WAIT)
  expect(await post([...elements].reverse())).toBe(200)
  const sent = (await deployment.read(received)).length

  await deployment.start()
  await vi.waitFor(async () => expect((await deployment.totals()).received).toBe(sent), WAIT)
  expect(await deployment.totals()).toMatchObject({ unique: ELEMENTS, conflicts: 0, deadLettered: 2 })
  const passed = await deployment.read(unique)
  expect(passed.map(({ value }) => value!.toString()).sort()).toEqual(events.sort())
  for (const { key, partition } of passed) expect(partition).toBe(partitionOf(key!, settings.topicPartitions))
  const letters = await deployment.read(dedupDlq)
  expect(
    letters.map(({ value, headers }) => [value!.toString(), headers[HEADER.dlqReason]!.toString()]),
  ).toEqual(
    expect.arrayContaining([
      ['null', 'wrong_type'],
      ['{"id":"no type"}', 'missing_field'],
    ]),
  )
}, 120_000)
