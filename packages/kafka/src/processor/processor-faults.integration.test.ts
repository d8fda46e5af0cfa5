import { setTimeout as sleep } from 'node:timers/promises'
import { isolatedKafka } from '@weir/testkit'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { openTopicReader } from '../read/topic-reader.ts'
import {
  copies,
  numbersOn,
  numbersUpTo,
  NumberWriter,
  startCopyProcessor,
  type CopyOptions,
  type CopyProcessor,
} from '../testing/copy-processor.ts'
import { KafkaProxy, type Verdict } from '../testing/kafka-proxy.ts'
import { createTopics } from '../testing/topics.ts'
import { ERROR, type Api } from '../testing/wire.ts'

/**
 * `startProcessor` behind a proxy that loses responses, breaks connections and moves leaders in front of a real broker.
 * In the end each input record must be on the output once and in order. A test that loses a response waits for the
 * request timeout, which equals the transaction timeout.
 */
const TRANSACTION_MS = 3_000
const settings = { ...isolatedKafka('faults'), transactionTimeoutMs: TRANSACTION_MS }
const PATIENCE = { timeout: 45_000, interval: 50 }
vi.setConfig({ testTimeout: 60_000 })

let tests = 0
let [input, output] = ['', '']
let writer: NumberWriter
let proxy: KafkaProxy
const processors: CopyProcessor[] = []

/** `through`: the settings to reach the broker through the proxy. */
const start = async (
  through: 'proxy' | 'broker',
  options: Partial<CopyOptions> = {},
): Promise<CopyProcessor> => {
  const kafkaBrokers = through === 'proxy' ? proxy.brokers : settings.kafkaBrokers
  const processor = await startCopyProcessor({
    settings: { ...settings, kafkaBrokers },
    inputs: [input],
    output,
    service: `copy-${tests}`,
    ...options,
  })
  processors.push(processor)
  return processor
}

const running = (processor: CopyProcessor) =>
  vi.waitFor(() => expect(processor.readiness()).toEqual([]), PATIENCE)

const copied = () =>
  vi.waitFor(
    async () =>
      expect(await numbersOn(settings, output)).toEqual(numbersUpTo(writer.count, settings.topicPartitions)),
    PATIENCE,
  )

beforeEach(async () => {
  tests += 1
  const topics = await createTopics(settings, [`in-${tests}`, `out-${tests}`])
  input = topics[0]!
  output = topics[1]!
  writer = new NumberWriter(settings, input)
  proxy = await KafkaProxy.start(settings.kafkaBrokers[0]!, 2)
})

afterEach(async () => {
  await Promise.all(processors.splice(0).map((processor) => processor.stop()))
  await writer.close()
  await proxy.stop()
})

// The published kafkajs looks up the coordinator before each request of a transaction, and registers partitions one by
// one.
it('looks up the coordinator once, and registers all partitions of a transaction in one request', async () => {
  const [also] = await createTopics(settings, [`also-${tests}`])
  const processor = await start('proxy', {
    sharedOutputs: [also!],
    task: () => ({
      process: (batch) => Promise.resolve({ outputs: [...copies(batch, output), ...copies(batch, also!)] }),
    }),
  })
  await running(processor)
  await writer.write(10)
  await copied()
  const announced: number[] = []
  const asked = { endTxn: 0, findCoordinator: 0 }
  proxy.decide = ({ api, targets }) => {
    if (api === 'addPartitionsToTxn') announced.push(targets.length)
    if (api === 'endTxn' || api === 'findCoordinator') asked[api] += 1
    return 'pass'
  }
  for (let n = 0; n < 5; n++) {
    await writer.write(10)
    await copied()
  }
  expect(new Set(announced)).toEqual(new Set([2]))
  expect(asked.endTxn).toBeGreaterThanOrEqual(5)
  expect(asked.findCoordinator).toBeLessThan(asked.endTxn)
})

describe('each record is copied once', () => {
  const faults: [string, Api, Verdict[]][] = [
    ['the commit is lost on its way to the broker', 'endTxn', ['lose-request']],
    ['the commit is done and its response is lost', 'endTxn', ['lose-response']],
    ['the connection breaks before the commit', 'endTxn', ['break-before']],
    ['the connection breaks after the commit', 'endTxn', ['break-after']],
    ['the coordinator has moved before the commit', 'endTxn', [{ error: ERROR.notCoordinator }]],
    ['the coordinator still loads before the commit', 'endTxn', [{ error: ERROR.coordinatorLoading }]],
    ['records are lost on their way', 'produce', ['pass', 'lose-request']],
    ['records are written and the response is lost', 'produce', ['pass', 'lose-response']],
    ['the connection breaks after records are written', 'produce', ['break-after', 'pass', 'break-before']],
    ['the leader has moved', 'produce', [{ error: ERROR.notLeader }, 'pass', { error: ERROR.notLeader }]],
    ['the response to the offsets is lost', 'txnOffsetCommit', ['lose-response']],
    ['the offsets are lost on their way', 'txnOffsetCommit', ['lose-request']],
    ['the transaction cannot be extended', 'addPartitionsToTxn', ['break-before', 'lose-response']],
    ['the last transaction is still ending', 'addPartitionsToTxn', [{ error: ERROR.concurrentTransactions }]],
    ['the fence fails at first', 'initProducerId', ['break-after', { error: ERROR.coordinatorAway }]],
    ['a fetch gets no response', 'fetch', ['lose-response']],
    ['fetching breaks', 'fetch', ['break-before', 'break-within', 'break-after']],
    ['the log ranges are unknown at first', 'listOffsets', [{ error: ERROR.notLeader }, 'break-before']],
    ['heartbeats get lost', 'heartbeat', ['break-before', 'break-after']],
  ]
  it.each(faults)('when %s', async (_, api, verdicts) => {
    const script = proxy.script(api, verdicts)
    await writer.write(200)
    const processor = await start('proxy')
    await copied()
    await vi.waitFor(() => expect(script.left()).toBe(0), PATIENCE)
    await writer.write(50)
    await copied()
    await running(processor)
  })

  // kafkajs gives up after five more attempts in 1.5 s, and for offsets at once.
  it.each(['initProducerId', 'addPartitionsToTxn', 'addOffsetsToTxn'] as const)(
    'and no partition restarts while the last transaction takes long to end (%s)',
    async (api) => {
      const error = { error: ERROR.concurrentTransactions }
      const script = proxy.script(
        api,
        Array.from({ length: 16 }, () => error),
      )
      await writer.write(200)
      const processor = await start('proxy', {
        settings: { ...settings, kafkaBrokers: proxy.brokers, transactionTimeoutMs: 30_000 },
      })
      await copied()
      expect(script.left()).toBe(0)
      expect(processor.entered('backing_off')).toBe(0)
    },
  )

  // Without the patch, kafkajs gives up immediately on offset requests.
  it.each(['addPartitionsToTxn', 'addOffsetsToTxn', 'txnOffsetCommit'] as const)(
    'and no partition restarts when the coordinator has moved (%s)',
    async (api) => {
      const errors = [ERROR.notCoordinator, ERROR.coordinatorLoading, ERROR.coordinatorAway]
      const script = proxy.script(
        api,
        errors.map((error) => ({ error })),
      )
      await writer.write(200)
      const processor = await start('proxy')
      await copied()
      expect(script.left()).toBe(0)
      expect(processor.entered('backing_off')).toBe(0)
    },
  )

  // Traps A and B of KAFKA.md, in transactions.
  it('when leaders move at any moment, also to each other and back', async () => {
    let requests = 0
    proxy.decide = ({ api }) => {
      if (api === 'produce') requests += 1
      return 'pass'
    }
    proxy.leader = ({ partition }) => (partition + (requests >> 3)) % 2
    await writer.write(1_000)
    await start('proxy')
    await copied()
    expect(requests).toBeGreaterThan(20)
  })

  it('when everything fails at random for a while', async () => {
    const kinds: Verdict[] = ['break-before', 'break-after', { error: ERROR.notLeader }]
    const breakable = new Set<Api | undefined>(['produce', 'endTxn', 'addPartitionsToTxn', 'txnOffsetCommit'])
    let seed = 42
    const random = (below: number) => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
      return (seed >>> 8) % below
    }
    let failures = 0
    proxy.decide = ({ api }) => {
      if (!breakable.has(api) || failures === 40 || random(6) > 0) return 'pass'
      failures += 1
      const kind = kinds[random(api === 'produce' ? 3 : 2)]!
      return kind
    }
    await writer.write(2_000)
    const processor = await start('proxy')
    await copied()
    expect(failures).toBeGreaterThan(10)
    expect(processor.entered('backing_off')).toBeGreaterThan(3)
  })

  // Without the patch, kafkajs takes six times as long.
  it('when its writes get no response soon after a transaction has timed out', async () => {
    const processor = await start('proxy')
    await running(processor)
    let isDead = true
    let deadSince = 0
    proxy.decide = ({ api }) => {
      if (!isDead || api !== 'produce') return 'pass'
      deadSince ||= performance.now()
      return 'lose-request'
    }
    await writer.write(2)
    await vi.waitFor(() => expect(processor.entered('backing_off')).toBe(2), PATIENCE)
    expect(performance.now() - deadSince).toBeLessThan(3 * TRANSACTION_MS)
    isDead = false
    await copied()
    await running(processor)
  })

  it('when its connections are open but dead', async () => {
    const dead = new Set<number>()
    let isDying = true
    proxy.decide = ({ connection }) => {
      if (isDying) dead.add(connection)
      return !isDying && dead.has(connection) ? 'lose-request' : 'pass'
    }
    const processor = await start('proxy')
    await running(processor)
    isDying = false
    await writer.write(100)
    await copied()
    await running(processor)
  })

  it('when every broker goes away for a while', async () => {
    const processor = await start('proxy')
    await running(processor)
    await writer.write(100)
    await copied()
    proxy.setDown(true)
    await writer.write(500)
    await vi.waitFor(() => expect(processor.entered('backing_off')).toBe(0))
    proxy.setDown(false)
    await copied()
    await running(processor)
  })
})

describe('INVALID_PRODUCER_EPOCH', () => {
  it('after its own transaction timed out: the owner fences again and continues', async () => {
    const held = Promise.withResolvers<undefined>()
    let isHeld = false
    const processor = await start('proxy')
    await running(processor)
    // Each request is shorter than the transaction timeout, but both together exceed it, so the broker ends the
    // transaction first.
    proxy.decide = async ({ api }): Promise<Verdict> => {
      if (isHeld) return 'pass'
      if (api === 'produce') await sleep(0.7 * TRANSACTION_MS)
      if (api !== 'addOffsetsToTxn') return 'pass'
      isHeld = true
      await held.promise
      return 'pass'
    }
    await writer.write(2)
    // Each partition has one record and one marker: one transaction was committed, the other aborted by the broker.
    const reader = await openTopicReader(settings, output)
    await vi.waitFor(async () => {
      const ends = [...(await reader.offsets()).values()].map(({ end }) => end)
      expect(ends).toEqual([2n, 2n])
    }, PATIENCE)
    await reader.close()
    held.resolve(undefined)
    await writer.write(20)
    await copied()
    await running(processor)
    const failures = processor.log.states.flatMap(({ error }) => (error === undefined ? [] : [error.message]))
    expect(failures).toContain('the transaction: INVALID_PRODUCER_EPOCH')
    expect(processor.entered('fencing')).toBeGreaterThanOrEqual(3)
  })

  it('from a successor: the zombie waits for the group and does not fence back', async () => {
    let isCut = false
    let fences = 0
    // Only its group requests are blocked.
    proxy.decide = ({ api }) => {
      if (isCut && (api === 'heartbeat' || api === 'joinGroup' || api === 'syncGroup')) return 'lose-request'
      if (isCut && api === 'initProducerId') fences += 1
      return 'pass'
    }
    await writer.write(100)
    const zombie = await start('proxy')
    await copied()
    isCut = true
    const heir = await start('broker')
    await vi.waitFor(() => expect([...heir.partitions.keys()]).toEqual([0, 1]), PATIENCE)
    await running(heir)
    const before = heir.entered('fencing')
    for (let i = 0; i < 20; i++) {
      await writer.write(20)
      await copied()
    }
    expect(fences).toBe(0)
    expect(heir.entered('fencing')).toBe(before)
    expect(heir.entered('backing_off')).toBe(0)
    expect([...zombie.partitions.values()]).not.toContain('parked')
    isCut = false
    // It returns as an ordinary member and gets its share.
    await vi.waitFor(() => {
      expect(zombie.partitions.size).toBe(1)
      expect(heir.partitions.size).toBe(1)
    }, PATIENCE)
    await running(zombie)
    await writer.write(50)
    await copied()
  })

  it('from a successor in the middle of a transaction: its records are not readable', async () => {
    const held = Promise.withResolvers<undefined>()
    let hasWritten = false
    // Its commits arrive after the successor has taken over.
    proxy.decide = async ({ api, isCommit }): Promise<Verdict> => {
      if (api === 'heartbeat' && hasWritten) return 'lose-request'
      if (api !== 'endTxn' || isCommit !== true) return 'pass'
      hasWritten = true
      await held.promise
      return 'pass'
    }
    await writer.write(100)
    await start('proxy')
    await vi.waitFor(() => expect(hasWritten).toBe(true), PATIENCE)
    const heir = await start('broker')
    await vi.waitFor(() => expect([...heir.partitions.keys()]).toEqual([0, 1]), PATIENCE)
    await copied()
    held.resolve(undefined)
    await writer.write(20)
    await copied()
    expect(heir.entered('parked')).toBe(0)
  })
})

describe('stop', () => {
  it('lets the running transaction end', async () => {
    const held = Promise.withResolvers<undefined>()
    let commits = 0
    // Long enough for the slower partition to get there before the other one gives up.
    const processor = await start('proxy', {
      settings: { ...settings, kafkaBrokers: proxy.brokers, transactionTimeoutMs: 30_000 },
    })
    await running(processor)
    proxy.decide = async ({ api, isCommit }): Promise<Verdict> => {
      if (api !== 'endTxn' || isCommit !== true) return 'pass'
      commits += 1
      await held.promise
      return 'pass'
    }
    await writer.write(10)
    await vi.waitFor(() => expect(commits).toBe(2), PATIENCE)
    let isStopped = false
    const stopped = processor.stop().then(() => (isStopped = true))
    expect(isStopped).toBe(false)
    held.resolve(undefined)
    await stopped
    expect(processor.log.commits.reduce((sum, { records }) => sum + records, 0)).toBe(10)
    expect(await numbersOn(settings, output)).toEqual(numbersUpTo(10, 2))
  })

  it.each(['refuse connections', 'do not respond'])('takes a bounded time while brokers %s', async (how) => {
    await writer.write(10)
    const processor = await start('proxy')
    await copied()
    if (how === 'refuse connections') proxy.setDown(true)
    else proxy.decide = () => 'lose-request'
    await writer.write(10)
    const startedAt = performance.now()
    await processor.stop()
    expect(performance.now() - startedAt).toBeLessThan(15_000)
  })
})
