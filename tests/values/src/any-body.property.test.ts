import { isMoment, type InteractionEvent } from '@weir/contracts'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { parametersOf } from '../../../services/persistence/src/postgres/columns.ts'
import type { RowSink } from '@weir/row-sink'
import { deliveries } from './bodies.ts'
import { openStages, type Stages } from './stages.ts'

let stages: Stages
const written: InteractionEvent[] = []

/** Prepares the rows, and accepts what PostgreSQL accepts. */
const sink: RowSink = {
  write: (events) => {
    for (const column of parametersOf(events)) for (const value of column) requireStorable(value)
    written.push(...events)
    return Promise.resolve(events.map(() => ({ kind: 'stored' })))
  },
  close: () => Promise.resolve(),
}

const requireStorable = (value: unknown): void => {
  if (value === null || typeof value === 'boolean' || Buffer.isBuffer(value)) return
  if (Number.isInteger(value)) return
  expect(typeof value).toBe('string')
  const text = value as string
  expect(text.isWellFormed() && !text.includes('\0')).toBe(true)
}

beforeAll(async () => {
  stages = await openStages(sink)
})
afterAll(() => stages.close())

it('turns every accepted delivery into one row or one dead letter, for any body', async () => {
  const seen: Record<string, number> = {}
  await fc.assert(
    fc.asyncProperty(fc.array(deliveries(stages.sources), { minLength: 1, maxLength: 8 }), async (all) => {
      written.length = 0
      const ends = await stages.run(all)
      expect(ends.filter(Boolean)).toHaveLength(all.length)
      const rows = all.filter((_, at) => ends[at]!.kind === 'row')
      expect(written.map(({ raw }) => raw.toString())).toEqual(
        rows.map(({ body }) => Buffer.from(body).toString()),
      )
      for (const { occurredAt, sequence } of written) {
        if (occurredAt !== null) expect(isMoment(occurredAt)).toBe(true)
        if (sequence !== null) expect(sequence >= 0n && sequence < 2n ** 63n).toBe(true)
      }
      for (const end of ends) {
        const name = end.kind === 'row' ? 'row' : `${end.stage}: ${end.reason}`
        seen[name] = (seen[name] ?? 0) + 1
      }
    }),
    { numRuns: 1_500 },
  )
  // The bodies are of several kinds.
  for (const end of ['row', 'dedup: unsafe_json', 'dedup: invalid_json', 'dedup: missing_field']) {
    expect(seen[end], end).toBeGreaterThan(20)
  }
}, 120_000)

it.each([
  [
    'cxone',
    '{"interactionId":"x","eventType":"y","sequenceNumber":9007199254740991}',
    9_007_199_254_740_991n,
  ],
  ['cxone', '{"interactionId":"x","eventType":"y","sequenceNumber":"9223372036854775807"}', 2n ** 63n - 1n],
  ['cxone', '{"interactionId":"x","eventType":"y","sequenceNumber":9223372036854775808,"timestamp":1}', null],
  ['cxone', '{"interactionId":"x","eventType":"y","timestamp":"9999-12-31T23:59:59.9999999-05:00"}', null],
  ['anything', `${'['.repeat(6_000)}"\\u0000"${']'.repeat(6_000)}`, null],
])('stores what %s sends: %.75s', async (source, body, sequence) => {
  written.length = 0
  expect(await stages.run([{ source, headers: {}, body }])).toEqual([{ kind: 'row' }])
  expect(written[0]).toMatchObject({ sequence, raw: Buffer.from(body) })
})
