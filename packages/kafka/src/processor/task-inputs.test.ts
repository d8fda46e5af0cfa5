import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Prefetcher } from '../read/prefetcher.ts'
import { TaskInputs, type TakenBatch } from './task-inputs.ts'
import { PrefetchQueue } from '../read/prefetch-queue.ts'

const LINGER_MS = 50
let release: AbortController
let inputs: TaskInputs
let fetched: Set<PrefetchQueue>
let lags: Record<string, number>
const queues = new Map<string, PrefetchQueue>()

const addInput = (topic: string, offset = 0n, metadata = '') => {
  const options = { topic, partition: 3, offset, highWatermark: 0n, bytesMax: 1_000_000 }
  const queue = new PrefetchQueue({ ...options, onChange: () => inputs.changed(topic) })
  queues.set(topic, queue)
  inputs.add(queue, metadata)
}

/** Adds this many records and then this many control markers, as a fetch would. */
const arrive = (topic: string, count: number, markers = 0) => {
  const queue = queues.get(topic)!
  const offset = queue.fetchOffset
  const nextOffset = offset + BigInt(count + markers)
  queue.push({
    topic,
    partition: 3,
    errorCode: 0,
    offset,
    nextOffset,
    highWatermark: nextOffset,
    records: Array.from({ length: count }, (_, i) => ({
      topic,
      partition: 3,
      offset: offset + BigInt(i),
      timestamp: 0,
      key: null,
      headers: {},
      value: Buffer.alloc(10),
    })),
  })
}

/** The result of `next` after time has passed; undefined while it waits. */
const nextWithin = async (ms: number): Promise<TakenBatch | undefined> => {
  let result: TakenBatch | undefined
  pending ??= inputs.next()
  void pending.then((batch) => {
    result = batch
    pending = undefined
  })
  await vi.advanceTimersByTimeAsync(ms)
  return result
}
let pending: Promise<TakenBatch | undefined> | undefined

beforeEach(() => {
  vi.useFakeTimers()
  pending = undefined
  queues.clear()
  release = new AbortController()
  fetched = new Set()
  lags = {}
  const fetcher = {
    add: (queue: PrefetchQueue) => void fetched.add(queue),
    remove: (queue: PrefetchQueue) => void fetched.delete(queue),
  } as unknown as Prefetcher
  inputs = new TaskInputs({
    batch: { recordsMax: 10, bytesMax: 100_000, lingerMs: LINGER_MS },
    fetcher,
    signal: release.signal,
    onLag: (topic, records) => (lags[topic] = records),
  })
})
afterEach(() => vi.useRealTimers())

describe('the inputs of a partition', () => {
  it('waits for the linger time when few records come', async () => {
    addInput('a')
    arrive('a', 1)
    expect(await nextWithin(LINGER_MS - 1)).toBeUndefined()
    arrive('a', 2)
    expect(await nextWithin(1)).toMatchObject({ records: { length: 3 }, nextOffset: 3n })
  })

  it('returns a full batch immediately', async () => {
    addInput('a')
    arrive('a', 25)
    expect((await nextWithin(0))?.records).toHaveLength(10)
    expect((await nextWithin(0))?.records).toHaveLength(10)
    expect((await nextWithin(LINGER_MS))?.records).toHaveLength(5)
  })

  it('serves the topics in turn', async () => {
    addInput('a')
    addInput('b')
    arrive('a', 100)
    arrive('b', 15)
    const turns: string[] = []
    for (let i = 0; i < 5; i++) turns.push((await nextWithin(LINGER_MS))!.input.queue.topic)
    expect(turns).toEqual(['a', 'b', 'a', 'b', 'a'])
  })

  it('commits a position that only control markers moved after a pause', async () => {
    addInput('a')
    arrive('a', 0, 2)
    expect(await nextWithin(499)).toBeUndefined()
    const batch = await nextWithin(1)
    expect(batch).toMatchObject({ records: [], nextOffset: 2n })
    inputs.committed(batch!.input, 2n, '')
    expect(await nextWithin(5_000)).toBeUndefined()
  })

  it('counts the records between the committed position and the end, markers included', async () => {
    addInput('a', 100n)
    arrive('a', 10, 1)
    expect(lags).toEqual({ a: 11 })
    const batch = (await nextWithin(LINGER_MS))!
    expect(lags).toEqual({ a: 11 })
    inputs.committed(batch.input, batch.nextOffset, 'kept')
    expect(lags).toEqual({ a: 0 })
    arrive('a', 10)
    expect((await nextWithin(0))?.input).toMatchObject({ metadata: 'kept', position: 111n })
  })

  it('returns the queued records before it reports a failed queue', async () => {
    addInput('a')
    arrive('a', 3)
    queues.get('a')!.fail(new Error('the log is gone'))
    expect((await nextWithin(LINGER_MS))?.records).toHaveLength(3)
    await expect(inputs.next()).rejects.toThrow('the log is gone')
  })

  it('ends a wait when the partition is released, and fetches no more once closed', async () => {
    addInput('a')
    const waiting = inputs.next()
    release.abort()
    expect(await waiting).toBeUndefined()
    arrive('a', 1)
    expect(await inputs.next()).toBeUndefined()
    inputs.close()
    expect(fetched.size).toBe(0)
  })

  it('leaves no timer behind', async () => {
    addInput('a')
    arrive('a', 1)
    await nextWithin(LINGER_MS)
    pending = undefined
    const waiting = inputs.next()
    arrive('a', 10)
    await waiting
    expect(vi.getTimerCount()).toBe(0)
  })
})
