import { setImmediate as turn } from 'node:timers/promises'
import { createRequire } from 'node:module'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

/** Tests the changes in `patches/kafkajs@2.2.4.patch`. Each test says how it fails with the published package. */
const require = createRequire(import.meta.url)

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

  // Unpatched: a timer that restarts every millisecond as long as the connection lives.
  it('sets no timer when nothing waits', () => {
    open()
    push(1)
    answer(1)
    expect(sent).toEqual([1])
    expect(vi.getTimerCount()).toBe(0)
  })

  // Unpatched: the delay is the negative time of day, and Node 24 prints a TimeoutNegativeWarning.
  it('never sets a timer in the past', () => {
    const delays = vi.spyOn(globalThis, 'setTimeout')
    open(1)
    push(1)
    answer(1)
    push(2)
    push(3)
    expect(delays.mock.calls.map(([, delay]) => delay)).toEqual([10])
    delays.mockRestore()
  })

  it('sends a waiting request as soon as a response makes room', () => {
    open(2)
    for (const id of [1, 2, 3, 4, 5]) push(id)
    expect(sent).toEqual([1, 2])
    answer(2)
    expect(sent).toEqual([1, 2, 3])
    answer(1)
    answer(3)
    expect(sent).toEqual([1, 2, 3, 4, 5])
  })

  it('sends throttled requests when the throttling ends, not earlier', () => {
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

  it('waits longer when the throttling is extended meanwhile', () => {
    open()
    queue.maybeThrottle(100)
    push(1)
    queue.maybeThrottle(300)
    vi.advanceTimersByTime(299)
    expect(sent).toEqual([])
    vi.advanceTimersByTime(1)
    expect(sent).toEqual([1])
  })

  it('stops polling once its requests are rejected', async () => {
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
