import { setImmediate as turn } from 'node:timers/promises'
import { createRequire } from 'node:module'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { filterAborted, type AbortedTransaction } from './internals.ts'
import { decodeBatches, endMarker, recordBatch } from './testing/record-batch.ts'

/**
 * What `patches/kafkajs@2.2.4.patch` changes. Each test names how it fails without the patch, as seen with
 * the published package.
 */
const require = createRequire(import.meta.url)

const record = (offset: bigint, key = 'key') => ({ offset, key: Buffer.from(key), value: Buffer.from('v') })

describe('batches that compaction has thinned out', () => {
  const offsetsOf = async (batch: Promise<Buffer>) =>
    (await decodeBatches([await batch])).map(({ offset, isControlRecord }) => ({ offset, isControlRecord }))

  // Unpatched: no record at 9, so the next fetch asks for 6 and gets the same batch again, one offset further each.
  it('end at their last offset although its record is gone', async () => {
    const batch = recordBatch({ firstOffset: 4n, records: [record(5n)], lastOffset: 9n })
    expect(await offsetsOf(batch)).toEqual([
      { offset: '5', isControlRecord: false },
      { offset: '9', isControlRecord: true },
    ])
  })

  // Unpatched: no record at all, so the position never moves.
  it('end at their last offset although all records are gone', async () => {
    const batch = recordBatch({ firstOffset: 4n, records: [], lastOffset: 9n, producerId: 7n })
    expect(await offsetsOf(batch)).toEqual([{ offset: '9', isControlRecord: true }])
  })

  // Unpatched: as above, on the other path of the decoder.
  it.each([0, 1])('end at their last offset when compressed (%i records)', async (count) => {
    const records = [record(5n)].slice(0, count)
    const batch = recordBatch({ firstOffset: 4n, records, lastOffset: 9n, compression: 1 })
    expect((await offsetsOf(batch)).at(-1)).toEqual({ offset: '9', isControlRecord: true })
  })

  it('are left alone when their last record is there, control batches too', async () => {
    expect(await offsetsOf(recordBatch({ firstOffset: 4n, records: [record(9n)] }))).toEqual([
      { offset: '9', isControlRecord: false },
    ])
    expect(await offsetsOf(endMarker(4n, 7n, 'commit'))).toEqual([{ offset: '4', isControlRecord: true }])
  })
})

describe('a batch of very many records', () => {
  // Unpatched: RangeError: Maximum call stack size exceeded, for ever, since the same batch is fetched again.
  it('is read', async () => {
    const records = Array.from({ length: 200_000 }, (_, i) => ({ offset: BigInt(i) }))
    const decoded = await decodeBatches([await recordBatch({ firstOffset: 0n, records, compression: 1 })])
    expect(decoded).toHaveLength(200_000)
    expect(decoded.at(-1)!.offset).toBe('199999')
  })
})

describe('read_committed', () => {
  const readable = async (batches: readonly Promise<Buffer>[], aborted: readonly AbortedTransaction[]) => {
    const messages = await decodeBatches(await Promise.all(batches))
    return filterAborted({ messages, abortedTransactions: aborted })
      .filter(({ isControlRecord }) => !isControlRecord)
      .map(({ offset }) => Number(offset))
  }
  const data = (offset: bigint, producerId: bigint, key = 'key') =>
    recordBatch({
      ...{ firstOffset: offset, producerId, isTransactional: true },
      records: [{ offset, key: Buffer.from(key, 'latin1'), value: null }],
    })

  // Unpatched: [0], the list is taken to be in order of beginning, and the brokers sort it by end.
  it('drops both of two aborted transactions when the later one ends first', async () => {
    const batches = [
      data(0n, 1n),
      data(1n, 2n),
      endMarker(2n, 2n, 'abort'),
      endMarker(3n, 1n, 'abort'),
      data(4n, 1n),
    ]
    const aborted = [
      { producerId: '2', firstOffset: '1' },
      { producerId: '1', firstOffset: '0' },
    ]
    expect(await readable(batches, aborted)).toEqual([4])
  })

  // Unpatched: [10], each message ends the wait for one transaction only, and two began before the first.
  it('drops both of two aborted transactions when the fetch begins inside them', async () => {
    const batches = [data(10n, 2n), endMarker(11n, 1n, 'abort'), endMarker(12n, 2n, 'abort')]
    const aborted = [
      { producerId: '1', firstOffset: '3' },
      { producerId: '2', firstOffset: '5' },
    ]
    expect(await readable(batches, aborted)).toEqual([])
  })

  // Unpatched: [1], the record with such a key passes for the end of its transaction.
  it('drops the rest of an aborted transaction after a record whose key is four NUL bytes', async () => {
    const batches = [data(0n, 1n, '\0\0\0\0'), data(1n, 1n), endMarker(2n, 1n, 'abort')]
    expect(await readable(batches, [{ producerId: '1', firstOffset: '0' }])).toEqual([])
  })

  it('passes what the same producer commits after an abort, and what others write meanwhile', async () => {
    const batches = [
      data(0n, 1n),
      data(1n, 2n),
      recordBatch({ firstOffset: 2n, records: [record(2n, '\0\0\0\0')] }),
      endMarker(3n, 1n, 'abort'),
      data(4n, 1n, '\0\0\0\0'),
      endMarker(5n, 1n, 'commit'),
      endMarker(6n, 2n, 'commit'),
    ]
    expect(await readable(batches, [{ producerId: '1', firstOffset: '0' }])).toEqual([1, 2, 4])
  })

  it('goes on dropping over the end that compaction left of a batch', async () => {
    const thinned = recordBatch({
      ...{ firstOffset: 0n, records: [record(0n)], lastOffset: 3n, producerId: 1n, isTransactional: true },
    })
    const batches = [thinned, data(4n, 1n), endMarker(5n, 1n, 'abort')]
    expect(await readable(batches, [{ producerId: '1', firstOffset: '0' }])).toEqual([])
  })
})

describe('the request queue of a connection', () => {
  interface Request {
    readonly correlationId: number
  }
  interface RequestQueue {
    maybeThrottle(ms: number): void
    push(request: object): void
    fulfillRequest(response: Request & { payload: Buffer; size: number }): void
    rejectAll(error: Error): void
    destroy(): void
  }
  const QueueClass = require('kafkajs/src/network/requestQueue') as new (options: object) => RequestQueue

  let sent: number[] = []
  let queue: RequestQueue
  const open = (maxInFlightRequests?: number) => {
    const logger = { debug: () => undefined, warn: () => undefined }
    queue = new QueueClass({ maxInFlightRequests, requestTimeout: 1_000, clientId: 'c', broker: 'b', logger })
  }
  const push = (correlationId: number) => {
    queue.push({
      entry: { correlationId, resolve: () => undefined, reject: () => undefined },
      expectResponse: true,
      sendRequest: () => sent.push(correlationId),
    })
  }
  const answer = (correlationId: number) =>
    queue.fulfillRequest({ correlationId, payload: Buffer.alloc(0), size: 0 })

  beforeEach(() => {
    sent = []
    vi.useFakeTimers()
  })
  afterEach(() => {
    queue.destroy()
    vi.useRealTimers()
  })

  // Unpatched: one timer, which starts the next, every millisecond for as long as the connection lives.
  it('sets no timer when nothing waits', () => {
    open()
    push(1)
    answer(1)
    expect(sent).toEqual([1])
    expect(vi.getTimerCount()).toBe(0)
  })

  // Unpatched: minus the time of day, for which Node 24 prints a TimeoutNegativeWarning.
  it('never asks for a timer in the past', () => {
    const delays = vi.spyOn(globalThis, 'setTimeout')
    open(1)
    push(1)
    answer(1)
    push(2)
    push(3)
    expect(delays.mock.calls.map(([, delay]) => delay)).toEqual([10])
    delays.mockRestore()
  })

  it('sends what waits for room as soon as an answer makes some', () => {
    open(2)
    for (const id of [1, 2, 3, 4, 5]) push(id)
    expect(sent).toEqual([1, 2])
    answer(2)
    expect(sent).toEqual([1, 2, 3])
    answer(1)
    answer(3)
    expect(sent).toEqual([1, 2, 3, 4, 5])
  })

  it('sends what is throttled when the throttling ends, and not before', () => {
    open()
    queue.maybeThrottle(500)
    push(1)
    push(2)
    vi.advanceTimersByTime(499)
    expect(sent).toEqual([])
    vi.advanceTimersByTime(1)
    expect(sent).toEqual([1, 2])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('waits anew when the throttling is prolonged meanwhile', () => {
    open()
    queue.maybeThrottle(100)
    push(1)
    queue.maybeThrottle(300)
    vi.advanceTimersByTime(299)
    expect(sent).toEqual([])
    vi.advanceTimersByTime(1)
    expect(sent).toEqual([1])
  })

  it('stops looking once its requests are rejected', async () => {
    open()
    queue.maybeThrottle(100)
    push(1)
    queue.rejectAll(new Error('closed'))
    vi.advanceTimersByTime(100)
    expect(vi.getTimerCount()).toBe(0)
    vi.useRealTimers()
    await turn()
    expect(sent).toEqual([])
  })
})
