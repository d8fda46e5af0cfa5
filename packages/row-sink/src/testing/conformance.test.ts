import { expect, it } from 'vitest'
import { SinkFaultError, SinkUnavailableError, type RowEvent, type RowResult } from '../row-sink.ts'
import { ROW_SINK_CASES } from './conformance.ts'
import { MemoryRows, MemorySink } from './memory-rows.ts'

it.each(ROW_SINK_CASES)('the sink in memory $name', async ({ name, check }) => {
  await check(new MemoryRows(), name)
})

const STORED: RowResult = { kind: 'stored' }

/** Sinks with one fault each, and the first words of the rule that it breaks. */
const DEFECTS: Readonly<Record<string, readonly [rule: string, sink: typeof MemorySink]>> = {
  'drops the last row of the first batch after a break': [
    'loses and doubles no row',
    class extends MemorySink {
      #wasAway = false
      override async write(events: readonly RowEvent[]) {
        try {
          const taken = this.#wasAway ? events.slice(0, -1) : events
          await super.write(taken)
          this.#wasAway = false
          return events.map(() => STORED)
        } catch (error) {
          this.#wasAway = true
          throw error
        }
      }
    },
  ],
  'inserts again what it has written before a break': [
    'loses and doubles no row',
    class extends MemorySink {
      protected override async writeOne(event: RowEvent): Promise<RowResult> {
        const isThere = await this.rows.request(() => this.rows.find(event.eventKey))
        if (isThere) return super.writeOne(event)
        try {
          return await super.writeOne(event)
        } catch (error) {
          this.insert(event)
          throw error
        }
      }
    },
  ],
  'has no unique key': [
    'stores each event once, however',
    class extends MemorySink {
      protected override async writeOne(event: RowEvent) {
        await this.rows.request(() => {
          this.insert(event)
        })
        return STORED
      }
    },
  ],
  'looks for the row in one request and inserts it in the next': [
    'stores each event once when two',
    class extends MemorySink {
      protected override async writeOne(event: RowEvent): Promise<RowResult> {
        const existing = await this.rows.request(() => this.rows.find(event.eventKey))
        if (existing !== undefined) return super.writeOne(event)
        const detail = this.refusalOf(event)
        if (detail !== undefined) return { kind: 'rejected', detail }
        await this.rows.request(() => {
          this.insert(event)
        })
        return STORED
      }
    },
  ],
  'calls a conflict stored': [
    'tells a repeat',
    class extends MemorySink {
      protected override async writeOne(event: RowEvent) {
        const result = await super.writeOne(event)
        return result.kind === 'conflict' ? STORED : result
      }
    },
  ],
  'lets the last body of a key win': [
    'tells a repeat',
    class extends MemorySink {
      protected override async writeOne(event: RowEvent) {
        const result = await super.writeOne(event)
        if (result.kind === 'conflict') Object.assign(this.rows.find(event.eventKey)!, event)
        return result
      }
    },
  ],
  'refuses the whole batch for one event': [
    'refuses only the event',
    class extends MemorySink {
      override async write(events: readonly RowEvent[]) {
        const results = await super.write(events)
        const refused = results.find(({ kind }) => kind === 'rejected')
        return refused === undefined ? results : events.map(() => refused)
      }
    },
  ],
  'leaves out what comes after a refused event': [
    'refuses only the event',
    class extends MemorySink {
      #isRefused = false
      override async write(events: readonly RowEvent[]) {
        this.#isRefused = false
        return super.write(events)
      }
      protected override async writeOne(event: RowEvent) {
        if (this.#isRefused) return STORED
        const result = await super.writeOne(event)
        this.#isRefused = result.kind === 'rejected'
        return result
      }
    },
  ],
  'gives its results in another order': [
    'refuses only the event',
    class extends MemorySink {
      override async write(events: readonly RowEvent[]) {
        return (await super.write(events)).toSorted((a, b) => a.kind.localeCompare(b.kind))
      }
    },
  ],
  'quotes the body in the reason': [
    'refuses only the event',
    class extends MemorySink {
      protected override refusalOf(event: RowEvent) {
        const detail = super.refusalOf(event)
        return detail && `${detail}: ${event.raw.toString().slice(0, 100)} of ${event.interactionId}`
      }
    },
  ],
  'keeps the latest written event as the latest state': [
    'never replaces',
    class extends MemorySink {
      protected override isNewer() {
        return true
      }
    },
  ],
  'compares sequences as texts': [
    'never replaces',
    class extends MemorySink {
      protected override isNewer(event: RowEvent, latest: RowEvent) {
        if (event.sequence === null || latest.sequence === null) return super.isNewer(event, latest)
        if (event.sequence === latest.sequence) return super.isNewer(event, latest)
        return String(event.sequence) > String(latest.sequence)
      }
    },
  ],
  'ignores what is below a millisecond': [
    'never replaces',
    class extends MemorySink {
      protected override isNewer(event: RowEvent, latest: RowEvent) {
        return super.isNewer({ ...event, occurredAtNanos: 0 }, { ...latest, occurredAtNanos: 0 })
      }
    },
  ],
  'ends a text at NUL': [
    'keeps every text',
    class extends MemorySink {
      protected override insert(event: RowEvent) {
        super.insert({ ...event, message: event.message?.split('\0')[0] ?? null })
      }
    },
  ],
  'writes the body again from its JSON': [
    'keeps every text',
    class extends MemorySink {
      protected override insert(event: RowEvent) {
        super.insert({ ...event, raw: Buffer.from(event.raw.toString().trim()) })
      }
    },
  ],
  'keeps a sequence as a double': [
    'keeps every digit',
    class extends MemorySink {
      protected override insert(event: RowEvent) {
        super.insert({ ...event, sequence: event.sequence && BigInt(Number(event.sequence)) })
      }
    },
  ],
  'keeps numbers of attributes as doubles': [
    'keeps every digit',
    class extends MemorySink {
      protected override insert(event: RowEvent) {
        const attributes = Object.entries(event.attributes).map(([name, json]) => [
          name,
          JSON.stringify(JSON.parse(json)),
        ])
        super.insert({ ...event, attributes: Object.fromEntries(attributes) as RowEvent['attributes'] })
      }
    },
  ],
  'refuses rows while the store is away': [
    'asks for another attempt',
    class extends MemorySink {
      protected override async writeOne(event: RowEvent): Promise<RowResult> {
        try {
          return await super.writeOne(event)
        } catch (error) {
          if (!(error instanceof SinkUnavailableError)) throw error
          return { kind: 'rejected', detail: 'away' }
        }
      }
    },
  ],
  'needs a new start after the store was away': [
    'asks for another attempt',
    class extends MemorySink {
      #failures = 0
      override async write(events: readonly RowEvent[]) {
        if (this.#failures > 2) throw new SinkUnavailableError('the client is closed')
        try {
          return await super.write(events)
        } catch (error) {
          this.#failures += 1
          throw error
        }
      }
    },
  ],
  'refuses every row when the table is missing': [
    'stops for a person',
    class extends MemorySink {
      protected override async writeOne(event: RowEvent): Promise<RowResult> {
        try {
          return await super.writeOne(event)
        } catch (error) {
          if (!(error instanceof SinkFaultError)) throw error
          return { kind: 'rejected', detail: 'no table' }
        }
      }
    },
  ],
  'hides an error that it does not know': [
    'rejects with an error',
    class extends MemorySink {
      override async write(events: readonly RowEvent[]) {
        try {
          return await super.write(events)
        } catch (error) {
          if (error instanceof SinkUnavailableError || error instanceof SinkFaultError) throw error
          return events.map(() => STORED)
        }
      }
    },
  ],
  'takes every error for a store that is away': [
    'rejects with an error',
    class extends MemorySink {
      override async write(events: readonly RowEvent[]) {
        try {
          return await super.write(events)
        } catch (error) {
          if (error instanceof SinkFaultError) throw error
          throw new SinkUnavailableError('away', { cause: error })
        }
      }
    },
  ],
  'says stored before the row is written': [
    'tells the truth',
    class extends MemorySink {
      #isOpen = true
      override write(events: readonly RowEvent[]) {
        void this.#later(events).catch(() => undefined)
        return Promise.resolve(events.map(() => STORED))
      }
      async #later(events: readonly RowEvent[]) {
        for (const event of events) if (this.#isOpen) await this.writeOne(event)
      }
      override close() {
        this.#isOpen = false
        return Promise.resolve()
      }
    },
  ],
}

it.each(Object.keys(DEFECTS))('finds a sink that %s', async (defect) => {
  const [rule, Sink] = DEFECTS[defect]!
  const broken = ROW_SINK_CASES.find(({ name }) => name.startsWith(rule))!
  await expect(broken.check(new MemoryRows((rows) => new Sink(rows)), defect)).rejects.toThrow()
})

it('each rule finds a planted defect', () => {
  const rules = Object.values(DEFECTS).map(([rule]) => rule)
  const idle = ROW_SINK_CASES.filter(({ name }) => !rules.some((rule) => name.startsWith(rule)))
  expect(idle).toEqual([])
})
