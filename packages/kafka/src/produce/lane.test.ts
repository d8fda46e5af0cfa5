import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Lane, LaneError, type QueuedRecord } from './lane.ts'

/** A lane with a broker that responds as the test says. */
type Answer = undefined | 'retry' | 'split' | LaneError
const LINGER_MS = 5

let lane: Lane
let flights: { keys: string[]; isAlone: boolean; answer: (answer?: Answer) => Promise<void> }[] = []
let outcomes: Record<string, string> = {}
let released: string[] = []

const open = (limits: { batchRecordsMax?: number; batchBytesMax?: number } = {}) => {
  lane = new Lane({
    lingerMs: LINGER_MS,
    batchRecordsMax: 1_000,
    batchBytesMax: 1_000_000,
    ...limits,
    send: (entries, isAlone) =>
      new Promise((resolve) => {
        const answer = async (result?: Answer) => {
          resolve(result)
          await vi.advanceTimersByTimeAsync(0)
        }
        flights.push({ keys: entries.map(({ record }) => record.key.toString()), isAlone, answer })
      }),
  })
}

const entryOf = (key: string, bytes = 1, deadlineAt = Number.POSITIVE_INFINITY): QueuedRecord => ({
  record: { key: Buffer.from(key), value: null, headers: {} },
  bytes,
  deadlineAt,
  resolve: () => (outcomes[key] ??= 'acknowledged'),
  reject: ({ kind }) => (outcomes[key] ??= kind),
  release: () => released.push(key),
})

const add = (...parts: Parameters<typeof entryOf>): QueuedRecord => {
  const entry = entryOf(...parts)
  lane.add(entry)
  return entry
}

const addGroup = (...keys: string[]): void => {
  const group = {}
  lane.add(...keys.map((key) => ({ ...entryOf(key), group })))
}

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)

beforeEach(() => {
  flights = []
  outcomes = {}
  released = []
  vi.useFakeTimers()
  open()
})
afterEach(() => vi.useRealTimers())

describe('a lane', () => {
  it('sends records within the linger time together, in order', async () => {
    add('a')
    add('b')
    await pass(LINGER_MS - 1)
    expect(flights).toEqual([])
    add('c')
    await pass(1)
    expect(flights.map(({ keys }) => keys)).toEqual([['a', 'b', 'c']])
    expect(outcomes).toEqual({})
    await flights[0]!.answer()
    expect(outcomes).toEqual({ a: 'acknowledged', b: 'acknowledged', c: 'acknowledged' })
    expect(released).toEqual(['a', 'b', 'c'])
  })

  it('has one send at a time, and adds later records to the next one without a linger', async () => {
    add('a')
    await pass(LINGER_MS)
    add('b')
    add('c')
    await pass(1_000)
    expect(flights).toHaveLength(1)
    await flights[0]!.answer()
    expect(flights.map(({ keys }) => keys)).toEqual([['a'], ['b', 'c']])
  })

  it('sends at once when a batch is full, by count or by bytes', () => {
    open({ batchRecordsMax: 2, batchBytesMax: 100 })
    add('a')
    expect(flights).toEqual([])
    add('b')
    expect(flights.map(({ keys }) => keys)).toEqual([['a', 'b']])
    open({ batchBytesMax: 100 })
    add('c', 100)
    expect(flights.at(-1)!.keys).toEqual(['c'])
  })

  it('keeps a batch within its limits, and sends a larger record alone', async () => {
    open({ batchRecordsMax: 3, batchBytesMax: 100 })
    add('first')
    add('a', 60)
    add('b', 60)
    add('c', 500)
    for (const key of ['d', 'e', 'f', 'g']) add(key)
    for (let i = 0; i < 5; i++) await flights[i]!.answer()
    expect(flights.map(({ keys }) => keys)).toEqual([['first', 'a'], ['b'], ['c'], ['d', 'e', 'f'], ['g']])
  })

  it('resends rejected records in the same order and before newer ones', async () => {
    add('a')
    add('b')
    await pass(LINGER_MS)
    add('c')
    await flights[0]!.answer('retry')
    expect(flights).toHaveLength(1)
    expect(released).toEqual([])
    await pass(50)
    expect(flights[1]!.keys).toEqual(['a', 'b', 'c'])
    await flights[1]!.answer()
    expect(Object.values(outcomes)).toEqual(['acknowledged', 'acknowledged', 'acknowledged'])
  })

  it('waits longer after each failure, up to a second, and does not wait after a success', async () => {
    add('a')
    await pass(LINGER_MS)
    for (const [i, waitMs] of [50, 100, 200, 400, 800, 1_000, 1_000].entries()) {
      await flights[i]!.answer('retry')
      await pass(waitMs - 1)
      expect(flights).toHaveLength(i + 1)
      await pass(1)
      expect(flights).toHaveLength(i + 2)
    }
    add('b')
    await flights.at(-1)!.answer()
    expect(flights.at(-1)!.keys).toEqual(['b'])
  })

  it('does not shorten the wait after a failure when new records come', async () => {
    open({ batchRecordsMax: 2 })
    add('a')
    add('b')
    await flights[0]!.answer('retry')
    add('c')
    add('d')
    await pass(49)
    expect(flights).toHaveLength(1)
    await pass(1)
    expect(flights[1]!.keys).toEqual(['a', 'b'])
  })

  it('rejects with the reason when the broker refuses', async () => {
    add('a')
    await pass(LINGER_MS)
    await flights[0]!.answer(new LaneError('broker', 'no'))
    expect(outcomes).toEqual({ a: 'broker' })
    expect(released).toEqual(['a'])
  })
})

describe('records that were handed over together', () => {
  it('are sent together, after the records that fill the send before them', async () => {
    open({ batchRecordsMax: 3 })
    add('first')
    addGroup('a', 'b')
    expect(flights.map(({ keys }) => keys)).toEqual([['first', 'a', 'b']])
    add('c')
    addGroup('d', 'e', 'f')
    add('g')
    for (let i = 0; i < 4; i++) await flights[i]!.answer()
    expect(flights.map(({ keys }) => keys)).toEqual([['first', 'a', 'b'], ['c'], ['d', 'e', 'f'], ['g']])
  })

  it('are split at the limits of a send', async () => {
    open({ batchRecordsMax: 2 })
    addGroup('a', 'b', 'c', 'd', 'e')
    for (let i = 0; i < 3; i++) await flights[i]!.answer()
    expect(flights.map(({ keys }) => keys)).toEqual([['a', 'b'], ['c', 'd'], ['e']])
  })

  it('are not grouped with the next call', async () => {
    open({ batchRecordsMax: 3 })
    add('first')
    await pass(LINGER_MS)
    addGroup('a', 'b')
    addGroup('c', 'd')
    for (let i = 0; i < 3; i++) await flights[i]!.answer()
    expect(flights.map(({ keys }) => keys)).toEqual([['first'], ['a', 'b'], ['c', 'd']])
  })
})

describe('a batch that is too large for the topic', () => {
  it('is halved until the culprit is alone, and no neighbour suffers', async () => {
    for (const key of ['a', 'b', 'c', 'd']) add(key)
    await pass(LINGER_MS)
    await flights[0]!.answer('split')
    expect(flights[1]!.keys).toEqual(['a', 'b'])
    await flights[1]!.answer()
    expect(flights[2]!.keys).toEqual(['c', 'd'])
    await flights[2]!.answer('split')
    expect(flights[3]).toMatchObject({ keys: ['c'], isAlone: true })
    await flights[3]!.answer(new LaneError('too_large', 'too large'))
    await flights[4]!.answer()
    expect(outcomes).toEqual({ a: 'acknowledged', b: 'acknowledged', c: 'too_large', d: 'acknowledged' })
    expect([...released].sort()).toEqual(['a', 'b', 'c', 'd'])
  })

  // Regression: each failed part went before the previous one.
  it('keeps the order of resent records', async () => {
    for (const key of ['a', 'b', 'c', 'd']) add(key)
    await pass(LINGER_MS)
    await flights[0]!.answer('split')
    await flights[1]!.answer('retry')
    await pass(50)
    expect(flights[2]!.keys).toEqual(['a', 'b', 'c', 'd'])
  })

  it('does not delay the lane, because the broker responds', async () => {
    add('a')
    await pass(LINGER_MS)
    add('b')
    await flights[0]!.answer(new LaneError('too_large', 'too large'))
    expect(flights[1]!.keys).toEqual(['b'])
  })
})

describe('the deadline', () => {
  it('rejects waiting and sent records, and a late acknowledgement has no effect', async () => {
    const now = performance.now()
    add('a', 1, now + 100)
    await pass(LINGER_MS)
    add('b', 1, now + 110)
    add('c', 1, now + 200)
    lane.expire(now + 99)
    expect(outcomes).toEqual({})
    lane.expire(now + 110)
    expect(outcomes).toEqual({ a: 'deadline', b: 'deadline' })
    // Its bytes are still part of a send.
    expect(released).toEqual(['b'])
    await flights[0]!.answer()
    expect(outcomes).toEqual({ a: 'deadline', b: 'deadline' })
    expect(released).toEqual(['b', 'a'])
    expect(flights[1]!.keys).toEqual(['c'])
  })

  it('rejects each record in flight once, however often it expires', async () => {
    const reject = vi.fn()
    const now = performance.now()
    lane.add({ ...add('a', 1, now + 10), reject })
    await pass(LINGER_MS)
    for (let i = 0; i < 5; i++) lane.expire(now + 20)
    expect(reject).toHaveBeenCalledOnce()
  })

  it('ends the attempts of a record', async () => {
    add('a', 1, performance.now() + 20)
    add('b')
    await pass(LINGER_MS)
    await pass(30)
    await flights[0]!.answer('retry')
    expect(outcomes).toEqual({ a: 'deadline' })
    await pass(50)
    expect(flights[1]!.keys).toEqual(['b'])
  })
})

describe('drained', () => {
  it('resolves when no record waits or is in flight', async () => {
    let isDrained = false
    add('a')
    void lane.drained().then(() => (isDrained = true))
    await pass(LINGER_MS)
    expect(isDrained).toBe(false)
    await flights[0]!.answer()
    expect(isDrained).toBe(true)
  })

  it('resolves when the last record has expired', async () => {
    const now = performance.now()
    let isDrained = false
    add('a', 1, now + 1)
    void lane.drained().then(() => (isDrained = true))
    lane.expire(now + 1)
    await pass(0)
    expect(isDrained).toBe(true)
  })
})
