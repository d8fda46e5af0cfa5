import { describe, expect, it, vi } from 'vitest'
import type { FetchedPartition } from './fetch-records.ts'
import { PrefetchQueue } from './prefetch-queue.ts'
import type { InputRecord } from '../protocol/record.ts'

const record = (offset: number, bytes = 10): InputRecord => ({
  topic: 'in',
  partition: 3,
  offset: BigInt(offset),
  timestamp: 0,
  key: null,
  headers: {},
  value: Buffer.alloc(bytes),
})

const fetched = (
  offset: number,
  offsets: readonly number[],
  nextOffset: number,
  bytes = 10,
): FetchedPartition => ({
  topic: 'in',
  partition: 3,
  errorCode: 0,
  highWatermark: 1_000n,
  offset: BigInt(offset),
  records: offsets.map((one) => record(one, bytes)),
  nextOffset: BigInt(nextOffset),
})

const open = (bytesMax = 10_000) => {
  const onChange = vi.fn()
  const queue = new PrefetchQueue({
    topic: 'in',
    partition: 3,
    offset: 100n,
    highWatermark: 1_000n,
    bytesMax,
    onChange,
  })
  return { queue, onChange }
}

const offsetsOf = (records: readonly InputRecord[]) => records.map(({ offset }) => Number(offset))

describe('a partition queue', () => {
  it('returns records in order over several responses, with the position after them', () => {
    const { queue, onChange } = open()
    queue.push(fetched(100, [100, 101, 102], 104))
    queue.push(fetched(104, [105, 106], 107))
    expect(onChange).toHaveBeenCalledTimes(2)
    expect(queue.recordCount).toBe(5)
    const first = queue.take(2, 10_000)
    expect([offsetsOf(first.records), first.nextOffset]).toEqual([[100, 101], 102n])
    // Control markers at 103 and 104 follow the returned records.
    const second = queue.take(2, 10_000)
    expect([offsetsOf(second.records), second.nextOffset]).toEqual([[102, 105], 106n])
    const third = queue.take(10, 10_000)
    expect([offsetsOf(third.records), third.nextOffset]).toEqual([[106], 107n])
    expect([queue.recordCount, queue.byteCount, queue.fetchOffset]).toEqual([0, 0, 107n])
  })

  it('moves the position past unreadable offsets before, after and without records', () => {
    const { queue } = open()
    queue.push(fetched(100, [], 110))
    expect(queue.take(10, 10_000)).toEqual({ records: [], nextOffset: 110n })
    queue.push(fetched(110, [112], 113))
    queue.push(fetched(113, [], 120))
    const { records, nextOffset } = queue.take(10, 10_000)
    expect([offsetsOf(records), nextOffset]).toEqual([[112], 120n])
    expect(queue.take(10, 10_000)).toEqual({ records: [], nextOffset: 120n })
  })

  it('keeps a batch within the byte limit, and returns a larger record alone', () => {
    const { queue } = open()
    queue.push(fetched(100, [100, 101, 102], 103, 40))
    expect(offsetsOf(queue.take(10, 100).records)).toEqual([100, 101])
    expect(offsetsOf(queue.take(10, 10).records)).toEqual([102])
  })

  it('is full at its limit, and has room only when a whole response was taken', () => {
    const { queue } = open(1_000)
    queue.push(fetched(100, [100, 101], 102, 400))
    expect(queue.isFull).toBe(true)
    queue.take(1, 10_000)
    expect(queue.isFull).toBe(true)
    queue.take(1, 10_000)
    expect(queue.isFull).toBe(false)
  })

  // Regression: when a leader moved, the fetches from the old and the new leader both returned, and records came twice.
  it('ignores the response to a request that another response has made obsolete', () => {
    const { queue } = open()
    queue.push(fetched(100, [100, 101], 102))
    queue.push(fetched(100, [100, 101, 102, 103], 104))
    expect(queue.fetchOffset).toBe(102n)
    queue.push(fetched(102, [102, 103], 104))
    expect(offsetsOf(queue.take(10, 10_000).records)).toEqual([100, 101, 102, 103])
  })

  it('never moves back', () => {
    const { queue } = open()
    queue.push(fetched(100, [100], 101))
    queue.push({ ...fetched(101, [], 101), highWatermark: 101n })
    expect([queue.fetchOffset, queue.isCaughtUp]).toEqual([101n, true])
  })

  it('reports its error, and still returns its records', () => {
    const { queue, onChange } = open()
    queue.push(fetched(100, [100], 101))
    queue.fail(new Error('gone'))
    expect(onChange).toHaveBeenCalledTimes(2)
    expect(queue.error?.message).toBe('gone')
    expect(offsetsOf(queue.take(1, 1).records)).toEqual([100])
  })
})
