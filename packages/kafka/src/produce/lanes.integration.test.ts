import { isolatedKafka } from '@weir/testkit'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { LaneError } from './lane.ts'
import { openLanes, type Lanes, type LanesOptions } from './lanes.ts'
import { silentLogger } from '../client/silent-logger.ts'
import { KafkaProxy } from '../testing/kafka-proxy.ts'
import { createTopics, readAll } from '../testing/topics.ts'
import { ERROR, type Target } from '../testing/wire.ts'

/** Lanes that reach a real broker through a proxy, which injects faults. */
const settings = isolatedKafka('lanes')
let proxy: KafkaProxy
let lanes: Lanes
let topic = ''
let topics = 0
let sent = 0

const open = async (options: Partial<LanesOptions> = {}): Promise<Lanes> => {
  const opened = await openLanes({
    settings: { ...settings, kafkaBrokers: proxy.brokers },
    logger: silentLogger,
    topic,
    lingerMs: 2,
    batchRecordsMax: 1_000,
    batchBytesMax: 700_000,
    queueBytesMax: 1_000_000,
    deadlineMs: 8_000,
    ...options,
  })
  await vi.waitFor(() => expect(opened.healthy).toBe(true), { timeout: 5_000 })
  return opened
}

/** Sends `count` records to each partition. Resolves to the acknowledged numbers. */
const send = async (count: number, to = lanes): Promise<number[]> => {
  const numbers = Array.from({ length: count * settings.topicPartitions }, () => (sent += 1))
  const results = await Promise.allSettled(
    numbers.map((number) =>
      to.send(number % settings.topicPartitions, {
        key: Buffer.from('key'),
        value: Buffer.from(String(number)),
        headers: {},
      }),
    ),
  )
  return numbers.filter((_, i) => results[i]!.status === 'fulfilled')
}

const stored = async (): Promise<number[]> =>
  (await readAll(settings, topic)).map(({ value }) => Number(value!.toString()))

const failure = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'acknowledged',
    (error: unknown) => (error instanceof LaneError ? error.kind : String(error)),
  )

beforeEach(async () => {
  topics += 1
  topic = (await createTopics(settings, [`topic-${topics}`]))[0]!
  proxy = await KafkaProxy.start(settings.kafkaBrokers[0]!, 2)
  proxy.leader = ({ partition }) => partition
  lanes = await open()
})

afterEach(async () => {
  await lanes.close()
  await proxy.stop()
})

describe('what is acknowledged is on the topic', () => {
  it('in order and once, on a quiet day', async () => {
    const acknowledged = await send(500)
    expect(acknowledged).toHaveLength(1_000)
    const all = await stored()
    expect(all).toHaveLength(1_000)
    for (const remainder of [0, 1]) {
      const partition = all.filter((number) => number % 2 === remainder)
      expect(partition).toEqual([...partition].sort((a, b) => a - b))
    }
    expect(lanes.queued).toEqual({ records: 0, bytes: 0 })
  })

  // Traps A and B of KAFKA.md: kafkajs resolves a send without the partition that has moved.
  it('when leaders move at any moment, also to each other and back', async () => {
    let moves = 0
    proxy.decide = ({ api }) => {
      if (api === 'produce') moves += 1
      return 'pass'
    }
    proxy.leader = ({ partition }: Target) => (partition + (moves >> 2)) % 2
    const acknowledged: number[] = []
    for (let i = 0; i < 30; i++) acknowledged.push(...(await send(5)))
    expect(moves).toBeGreaterThan(60)
    const all = new Set(await stored())
    expect(acknowledged.filter((number) => !all.has(number))).toEqual([])
    expect(acknowledged).toHaveLength(300)
  })

  it('when one broker is no longer the leader and the other has taken over', async () => {
    await send(1)
    let hasMoved = false
    proxy.leader = ({ partition }) => (hasMoved ? 0 : partition)
    proxy.decide = ({ api, targets }) => {
      if (api !== 'produce' || targets[0]!.partition === 0 || hasMoved) return 'pass'
      hasMoved = true
      return { error: ERROR.notLeader }
    }
    const acknowledged = await send(10)
    expect(acknowledged).toHaveLength(20)
    expect(new Set(await stored())).toEqual(new Set(Array.from({ length: 22 }, (_, i) => sent - 21 + i)))
  })

  // Trap C of KAFKA.md: the next records reused the sequence numbers of a timed-out send, and the broker dropped them
  // as duplicates.
  it('when responses are lost: possibly written twice, and acknowledged only if written', async () => {
    await lanes.close()
    lanes = await open({ deadlineMs: 4_000 })
    const lost = proxy.script('produce', ['lose-response', 'lose-request', 'lose-response'])
    const [first, second] = await Promise.all([send(5), send(5)])
    expect(lost.left()).toBe(0)
    const all = await stored()
    for (const number of [...first, ...second]) expect(all).toContain(number)
    expect([...first, ...second].length).toBeGreaterThan(0)
  })

  it('when connections break before and after the broker has written', async () => {
    proxy.script('produce', ['break-after', 'break-before', 'break-after', 'pass', 'break-before'])
    const acknowledged = [...(await send(20)), ...(await send(20))]
    expect(acknowledged).toHaveLength(80)
    const all = new Set(await stored())
    expect(acknowledged.filter((number) => !all.has(number))).toEqual([])
  })

  it('when the broker wrote but not enough replicas did', async () => {
    const script = proxy.script('produce', Array(3).fill({ error: ERROR.notEnoughReplicasAfterAppend }))
    const acknowledged = await send(3)
    expect(script.left()).toBe(0)
    expect(acknowledged).toHaveLength(6)
    expect(new Set(await stored())).toEqual(new Set(acknowledged))
  })
})

describe('records of one request', () => {
  const group = (count: number) =>
    Array.from({ length: count }, () => {
      sent += 1
      const record = { key: Buffer.from('key'), value: Buffer.from(String(sent)), headers: {} }
      return { partition: sent % settings.topicPartitions, record, number: sent }
    })

  it('go in one produce for each partition', async () => {
    const produced: number[] = []
    proxy.decide = ({ api, targets }) => {
      if (api === 'produce') produced.push(...targets.map(({ partition }) => partition))
      return 'pass'
    }
    const records = group(200)
    await lanes.sendAll(records)
    expect(produced.sort()).toEqual([0, 1])
    expect((await stored()).sort((a, b) => a - b)).toEqual(records.map(({ number }) => number))
  })

  it('are not acknowledged when one partition misses its record, and all are there after the repeat', async () => {
    await lanes.close()
    lanes = await open({ deadlineMs: 1_500 })
    proxy.leader = ({ partition }) => (partition === 0 ? 0 : -1)
    const records = group(20)
    expect(await failure(lanes.sendAll(records))).toBe('deadline')
    const half = await stored()
    expect(half).toEqual(records.filter(({ partition }) => partition === 0).map(({ number }) => number))
    proxy.leader = ({ partition }) => partition
    await vi.waitFor(async () => expect(await failure(lanes.sendAll(records))).toBe('acknowledged'), {
      timeout: 10_000,
    })
    expect(new Set(await stored())).toEqual(new Set(records.map(({ number }) => number)))
  })

  it('are accepted as a whole or not at all by a queue that is nearly full', async () => {
    await lanes.close()
    lanes = await open({ queueBytesMax: 10_000 })
    const value = Buffer.alloc(3_000)
    const records = [0, 1, 0, 1].map((partition) => ({
      partition,
      record: { key: Buffer.from('k'), value, headers: {} },
    }))
    expect(await failure(lanes.sendAll(records))).toBe('full')
    expect(lanes.queued).toEqual({ records: 0, bytes: 0 })
    expect(await stored()).toEqual([])
    expect(await failure(lanes.sendAll([]))).toBe('acknowledged')
  })
})

describe('a broker that is away', () => {
  it('lets records wait and expire at their deadline, and recovers without a restart', async () => {
    await lanes.close()
    lanes = await open({ deadlineMs: 1_000 })
    proxy.setDown(true)
    const startedAt = performance.now()
    expect(await failure(lanes.send(0, { key: Buffer.from('k'), value: null, headers: {} }))).toBe('deadline')
    expect(performance.now() - startedAt).toBeLessThan(1_500)
    await vi.waitFor(() => expect(lanes.healthy).toBe(false), { timeout: 5_000 })
    proxy.setDown(false)
    await vi.waitFor(async () => expect(await send(1)).toHaveLength(2), { timeout: 10_000 })
    expect(lanes.healthy).toBe(true)
    await vi.waitFor(() => expect(lanes.queued).toEqual({ records: 0, bytes: 0 }))
  })

  it('is connected again when its connections are open but dead', async () => {
    await lanes.close()
    lanes = await open({ deadlineMs: 2_000 })
    const dead = new Set<number>()
    let isDying = true
    proxy.decide = ({ api, connection }) => {
      if (isDying) dead.add(connection)
      return api === 'produce' && dead.has(connection) ? 'lose-request' : 'pass'
    }
    expect(await send(1)).toEqual([])
    isDying = false
    await vi.waitFor(async () => expect(await send(1)).toHaveLength(2), { timeout: 10_000 })
  })

  it('fills the queue, which rejects further records immediately', async () => {
    await lanes.close()
    lanes = await open({ deadlineMs: 2_000, queueBytesMax: 10_000 })
    proxy.setDown(true)
    const record = { key: Buffer.from('k'), value: Buffer.alloc(4_000), headers: {} }
    const waiting = [lanes.send(0, record), lanes.send(1, record)].map(failure)
    expect(await failure(lanes.send(0, record))).toBe('full')
    expect(lanes.queued.records).toBe(2)
    expect(await Promise.all(waiting)).toEqual(['deadline', 'deadline'])
    await vi.waitFor(() => expect(lanes.queued.records).toBe(0), { timeout: 10_000 })
    proxy.setDown(false)
    await vi.waitFor(async () => expect(await failure(lanes.send(0, record))).toBe('acknowledged'), {
      timeout: 10_000,
    })
  })

  it('does not prevent the lanes from closing', async () => {
    await lanes.close()
    lanes = await open({ deadlineMs: 1_000 })
    proxy.setDown(true)
    const outcome = failure(lanes.send(0, { key: Buffer.from('k'), value: null, headers: {} }))
    const startedAt = performance.now()
    await lanes.close()
    expect(performance.now() - startedAt).toBeLessThan(5_000)
    expect(await outcome).toBe('deadline')
    expect(await failure(lanes.send(0, { key: Buffer.from('k'), value: null, headers: {} }))).toBe('closed')
  })
})

describe('a topic that takes less than a batch', () => {
  it('gets halves of the batch until they fit, and only the oversized record is rejected', async () => {
    topic = (await createTopics(settings, [`small-${topics}`], { 'max.message.bytes': '20000' }))[0]!
    await lanes.close()
    lanes = await open({ lingerMs: 50 })
    const value = (number: number) => Buffer.from(String(number).padEnd(number === 50 ? 30_000 : 1_000))
    const numbers = Array.from({ length: 100 }, (_, i) => i)
    const outcomes = await Promise.all(
      numbers.map((number) =>
        failure(lanes.send(0, { key: Buffer.from('k'), value: value(number), headers: {} })),
      ),
    )
    expect(outcomes.map((outcome, i) => [i, outcome]).filter(([, one]) => one !== 'acknowledged')).toEqual([
      [50, 'too_large'],
    ])
    expect(await stored()).toEqual(numbers.filter((number) => number !== 50))
  })
})
