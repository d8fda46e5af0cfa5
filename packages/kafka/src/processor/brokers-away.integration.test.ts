import { isolatedKafka } from '@weir/testkit'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { silentLogger } from '../client/silent-logger.ts'
import { openTopicTail } from '../read/tail.ts'
import { numbersOn, numbersUpTo, NumberWriter, startCopyProcessor } from '../testing/copy-processor.ts'
import { KafkaProxy } from '../testing/kafka-proxy.ts'
import { createTopics } from '../testing/topics.ts'
import { checkTopics, ensureTopics, waitForBrokers } from '../admin/topics.ts'

/** Starts while some of three brokers are away. The others still report them as members, leaders and controller. */
const settings = isolatedKafka('away', 1)
const spec = { role: 'received', key: 'k', cleanup: 'delete', retentionMs: -1, coPartitioned: true } as const
const specs = [{ ...spec, name: 'checked' }]
/** The proxy reports node 0 as the controller. */
const AWAY = [[0], [1], [2], [0, 1], [1, 2]].map((nodes) => ({ nodes }))
let proxy: KafkaProxy
let lines: string[]
const logger = { ...silentLogger, warn: (_: object, message: string) => void lines.push(message) }
const proxied = () => ({ ...settings, kafkaBrokers: proxy.brokers })
const soon = { timeout: 20_000, interval: 20 }
vi.setConfig({ testTimeout: 60_000 })

const takeDown = (nodes: readonly number[]): void => {
  for (const node of nodes) proxy.setDown(true, node)
  const alive = [0, 1, 2].find((node) => !nodes.includes(node))!
  proxy.leader = () => alive
  proxy.coordinator = alive
}

beforeEach(async () => {
  lines = []
  proxy = await KafkaProxy.start(settings.kafkaBrokers[0]!, 3)
  await ensureTopics({ settings, logger, specs, replicationFactor: 1, minInsyncReplicas: 1 })
})

afterEach(() => proxy.stop())

describe.each(AWAY)('with brokers $nodes away', ({ nodes }) => {
  it('topics are checked as soon as the controller is back, and no error is thrown before', async () => {
    takeDown(nodes)
    const all = [
      waitForBrokers(proxied(), logger),
      checkTopics({ settings: proxied(), logger, profile: 'dev', specs }),
      ensureTopics({ settings: proxied(), logger, specs, replicationFactor: 1, minInsyncReplicas: 1 }),
    ]
    const settled = Promise.all(all)
    settled.catch(() => undefined)
    if (nodes.includes(0)) {
      await vi.waitFor(() => expect(lines).toContain('looking at the topics: waiting for Kafka'), soon)
      proxy.setDown(false, 0)
    }
    expect((await settled)[1]).toEqual([])
  })

  it('a processor starts and works', async () => {
    const [input, output] = await createTopics(settings, [`in-${nodes.join('')}`, `out-${nodes.join('')}`])
    const writer = new NumberWriter(settings, input!)
    await writer.write(20)
    takeDown(nodes)
    const processor = await startCopyProcessor({
      settings: proxied(),
      inputs: [input!],
      output: output!,
      service: `away-${nodes.join('')}`,
    })
    await vi.waitFor(async () => expect(await numbersOn(settings, output!)).toEqual(numbersUpTo(20, 1)), soon)
    await processor.stop()
    await writer.close()
  })
})

it('a processor and a tail wait while all brokers are away', async () => {
  const [input, output] = await createTopics(settings, ['in-all', 'out-all'])
  const writer = new NumberWriter(settings, input!)
  await writer.write(20)
  proxy.setDown(true)
  const seen: number[] = []
  const tailing = openTopicTail({
    settings: proxied(),
    logger,
    clientId: 'weir-test',
    topics: [{ topic: input!, from: () => 0n, onRecords: (records) => void seen.push(records.length) }],
  })
  const starting = startCopyProcessor({
    settings: proxied(),
    logger,
    inputs: [input!],
    output: output!,
    service: 'away-all',
  })
  await vi.waitFor(
    () =>
      expect(lines.filter((line) => line === 'connecting: waiting for Kafka').length).toBeGreaterThanOrEqual(
        4,
      ),
    soon,
  )
  proxy.setDown(false)
  const [processor, tail] = await Promise.all([starting, tailing])
  await vi.waitFor(async () => expect(await numbersOn(settings, output!)).toEqual(numbersUpTo(20, 1)), soon)
  await vi.waitFor(() => expect(seen.reduce((sum, count) => sum + count, 0)).toBe(20), soon)
  await tail.close()
  await processor.stop()
  await writer.close()
})

it('the wait ends when the signal is aborted', async () => {
  proxy.setDown(true)
  const stopping = new AbortController()
  const waiting = waitForBrokers(proxied(), logger, stopping.signal)
  await vi.waitFor(() => expect(lines.length).toBe(1), soon)
  stopping.abort()
  await expect(waiting).rejects.toMatchObject({ name: 'AbortError' })
})
