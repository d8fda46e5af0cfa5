import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EventIndex, type Delivery } from './event-index.ts'
import type { LetterFact } from './event-facts.ts'

const delivery = (offset: number, changes: Partial<Delivery> = {}): Delivery => ({
  source: 'cxone',
  eventType: 't',
  partition: 0,
  offset: BigInt(offset),
  at: 1_000 + offset,
  ...changes,
})
const letter = (at: number, reason: LetterFact['reason'] = 'invalid_json'): LetterFact => ({
  stage: 'dedup',
  reason,
  at,
  partition: 0,
  offset: BigInt(at),
})

describe('the index', () => {
  it('collects the deliveries of a key and knows whether dedup has decided about the last', () => {
    const index = new EventIndex({ eventsMax: 10, lettersMax: 10 })
    index.received('a', delivery(0))
    index.received('a', delivery(5))
    expect(index.find('a')).toMatchObject({ received: 2, firstReceivedAt: 1_000, lastReceivedAt: 1_005 })
    expect(index.find('a')!.isDecided).toBe(false)
    index.decided(0, 5n)
    expect(index.find('a')!.isDecided).toBe(false)
    index.decided(1, 6n)
    expect(index.find('a')!.isDecided).toBe(false)
    index.decided(0, 6n)
    expect(index.find('a')!.isDecided).toBe(true)
    index.passed('a', delivery(3))
    expect(index.find('a')!.passedAt).toBe(1_003)
    expect(index.find('b')).toBeUndefined()
  })

  it('knows an event that it read on the unique topic first', () => {
    const index = new EventIndex({ eventsMax: 10, lettersMax: 10 })
    index.passed('a', delivery(3))
    expect(index.find('a')).toMatchObject({ received: 0, firstReceivedAt: 0, passedAt: 1_003 })
  })

  it('keeps dead letters when traffic has evicted the event', () => {
    const index = new EventIndex({ eventsMax: 2, lettersMax: 2 })
    index.received('a', delivery(0))
    index.letter('a', { source: 'cxone', eventType: 't' }, letter(1))
    for (const [key, offset] of [
      ['b', 1],
      ['c', 2],
      ['d', 3],
    ] as const)
      index.received(key, delivery(offset))
    expect(index.find('a')).toMatchObject({
      source: 'cxone',
      received: 0,
      letters: { count: 1, conflicts: 0, ofDedup: 1 },
    })
    expect([index.eventCount, index.letterCount]).toEqual([2, 1])
  })

  it('keeps the latest letters of a key and counts all', () => {
    const index = new EventIndex({ eventsMax: 2, lettersMax: 2 })
    for (let i = 0; i < 20; i++) index.letter('a', delivery(0), letter(i, 'key_conflict'))
    const { latest, count, conflicts } = index.find('a')!.letters
    expect([latest.map(({ at }) => at), count, conflicts]).toEqual([[12, 13, 14, 15, 16, 17, 18, 19], 20, 20])
  })

  it('reports from when on it knows letters', () => {
    const index = new EventIndex({ eventsMax: 2, lettersMax: 1 })
    index.letter('a', delivery(0), letter(5))
    expect(index.lettersSince).toBe(0)
    index.letter('b', delivery(0), letter(6))
    expect([index.lettersSince, index.find('a')]).toEqual([5, undefined])
  })

  it('never exceeds its bound, and knows every event that was active after eventsSince', () => {
    const key = fc.integer({ min: 0, max: 30 }).map(String)
    fc.assert(
      fc.property(fc.array(key, { maxLength: 200 }), fc.integer({ min: 1, max: 20 }), (keys, eventsMax) => {
        const index = new EventIndex({ eventsMax, lettersMax: 1 })
        const active = new Map<string, number>()
        for (const [offset, one] of keys.entries()) {
          index.received(one, delivery(offset))
          active.set(one, 1_000 + offset)
          expect(index.eventCount).toBeLessThanOrEqual(eventsMax)
        }
        for (const [one, at] of active) {
          if (at > index.eventsSince) expect(index.find(one)?.lastReceivedAt).toBe(at)
          else expect(index.find(one)).toBeUndefined()
        }
      }),
    )
  })
})
