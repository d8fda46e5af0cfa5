import { createRequire } from 'node:module'
import type { ShapeCount } from '@weir/contracts'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { SchemaVersions } from './schema-versions.ts'
import { computeShape } from './shape.ts'

const SOURCE = 'cxone-dataaction'
const count = (fingerprint: string, changes: Partial<ShapeCount> = {}): ShapeCount => ({
  source: SOURCE,
  eventType: 'dataaction.completed',
  fingerprint,
  count: 1,
  firstAt: 1_000,
  lastAt: 1_000,
  ...changes,
})

const play = (batches: readonly (readonly ShapeCount[])[]) => {
  const versions = new SchemaVersions()
  const written = new Map<string, { version: number; count: number; history: number[] }>()
  for (const batch of batches) {
    const changed = versions.fold(batch)
    versions.apply(changed)
    for (const { fingerprint, eventType, version, count: events } of changed) {
      const key = `${eventType} ${fingerprint}`
      written.set(key, { version, count: events, history: [...(written.get(key)?.history ?? []), version] })
    }
  }
  return { versions, written }
}

it('gives the first payload version 2, because version 1 is the shape without fields, and counts up', () => {
  const { written } = play([[count('a')], [count('b'), count('a')], [count('a'), count('c')]])
  expect([...written].map(([key, { version, count: events }]) => [key, version, events])).toEqual([
    ['dataaction.completed a', 2, 3],
    ['dataaction.completed b', 3, 1],
    ['dataaction.completed c', 4, 1],
  ])
})

it('gives the same numbers for any batches and any point of restart', () => {
  const shapes = fc.array(fc.tuple(fc.constantFrom('t1', 't2'), fc.constantFrom('a', 'b', 'c', 'd', 'e')), {
    maxLength: 60,
  })
  fc.assert(
    fc.property(shapes, fc.array(fc.nat(20), { maxLength: 20 }), (log, cuts) => {
      const counts = log.map(([eventType, fingerprint]) => count(fingerprint, { eventType }))
      const whole = play([counts])
      const batches: ShapeCount[][] = []
      let rest = counts
      for (const cut of cuts) {
        batches.push(rest.slice(0, cut))
        rest = rest.slice(cut)
      }
      const parts = play([...batches, rest])
      const numbers = (played: typeof whole) =>
        [...played.written].map(([key, { version }]) => [key, version])
      expect(numbers(parts)).toEqual(numbers(whole))
      for (const { version, history } of parts.written.values())
        expect(new Set(history)).toEqual(new Set([version]))
    }),
  )
})

it('continues from the state of an earlier owner', () => {
  const before = new SchemaVersions()
  const written = before.fold([count('a'), count('b')])
  const after = new SchemaVersions()
  for (const shape of written) after.restore(shape)
  expect(after.fold([count('c'), count('a')]).map(({ version, count: events }) => [version, events])).toEqual(
    [
      [4, 1],
      [2, 2],
    ],
  )
})

it('changes nothing before the commit', () => {
  const versions = new SchemaVersions()
  versions.fold([count('lost')])
  expect(versions.fold([count('a')])[0]).toMatchObject({ version: 2, count: 1 })
})

it('limits the numbers of shapes and event types, and counts events beyond the limits', () => {
  const versions = new SchemaVersions()
  for (let i = 0; i < 1_500; i++) versions.apply(versions.fold([count(`shape-${i}`)]))
  expect(versions.overLimit).toBe(500)
  expect(versions.adoption().get(SOURCE)).toMatchObject({ versions: 1_000, total: 1_500 })
  versions.apply(
    versions.fold(Array.from({ length: 3_000 }, (_, i) => count('a', { eventType: `type-${i}` }))),
  )
  expect(versions.adoption().get(SOURCE)?.versions).toBeLessThan(3_100)
})

it('reports the adoption of the newest shape, when it reached 50% and 90%, and the oldest arriving version', () => {
  const hour = 3_600_000
  const { versions } = play([
    [count('old', { count: 100, firstAt: 0, lastAt: 10 })],
    [count('new', { count: 10, firstAt: 1_000, lastAt: 1_000 }), count('old', { count: 30, lastAt: 1_500 })],
    [count('new', { count: 40, lastAt: 2_000 })],
  ])
  const shapes = versions.fold([count('new', { count: 1_000, lastAt: 9_000 })])
  expect(shapes[0]).toMatchObject({ version: 3, reachedHalfMs: 1_000, reachedNineTenthsMs: 8_000 })
  expect(versions.adoption().get(SOURCE)).toEqual({
    adopted: 50,
    total: 180,
    rate: 50 / 1.8,
    versions: 2,
    oldestArriving: 2,
  })
  versions.apply(versions.fold([count('new', { lastAt: 2 * hour })]))
  expect(versions.adoption().get(SOURCE)?.oldestArriving).toBe(3)
})

const ofPayload = (payload: object, changes: Partial<ShapeCount> = {}): ShapeCount => {
  const { fingerprint, paths, fields } = computeShape(payload)
  return count(fingerprint, { paths, fields, ...changes })
}

it('makes a version for a new path or a new type, but not for a field that is absent or null', () => {
  const payloads = [
    { id: 'a', type: 't', skills: ['x'] },
    { id: 'a', type: 't' },
    { id: 'a', type: 't', skills: null },
    { id: 'a', type: 't', skills: [], added: 1 },
    { id: 'a', type: 't', skills: ['x'] },
    { id: 5, type: 't' },
    {},
  ]
  const { versions, written } = play(payloads.map((payload) => [ofPayload(payload)]))
  const numbers = payloads.map(
    (payload) => written.get(`dataaction.completed ${computeShape(payload).fingerprint}`)?.version,
  )
  expect(numbers).toEqual([2, 2, 2, 3, 2, 4, 2])
  expect(versions.adoption().get(SOURCE)).toMatchObject({ versions: 3, adopted: 1, total: 7 })
})

it('counts events without an optional field for the current version', () => {
  const full = { id: 'a', type: 't', optional: 1 }
  const { versions } = play([[ofPayload(full, { count: 10 })], [ofPayload({ id: 'a', type: 't' })]])
  expect(versions.adoption().get(SOURCE)).toMatchObject({ adopted: 11, total: 11, versions: 1 })
})

const value = fc.constantFrom(null, 1, 'text', true)
const payload = fc.dictionary(
  fc.constantFrom('a', 'b', 'c'),
  fc.oneof(value, fc.dictionary(fc.constantFrom('d', 'e'), value)),
)

it('gives the same numbers when it resumes within the log, and no new numbers to known shapes', () => {
  fc.assert(
    fc.property(fc.array(payload, { maxLength: 30 }), fc.nat(30), (log, cut) => {
      const counts = log.map((one) => ofPayload(one))
      const whole = new SchemaVersions()
      const topic = new Map<string, ReturnType<SchemaVersions['fold']>[number]>()
      for (const one of counts) {
        const changed = whole.fold([one])
        whole.apply(changed)
        for (const shape of changed) topic.set(shape.fingerprint, shape)
      }
      const before = new SchemaVersions()
      for (const one of counts.slice(0, cut)) before.apply(before.fold([one]))
      const after = new SchemaVersions()
      for (const shape of before.fold(counts.slice(0, cut))) after.restore({ ...shape, count: 0 })
      for (const one of counts.slice(cut)) after.apply(after.fold([one]))
      for (const shape of after.fold(counts))
        expect(shape.version).toBe(topic.get(shape.fingerprint)?.version)
      const versions = whole.adoption().get(SOURCE)?.versions
      for (const one of counts) whole.apply(whole.fold([one]))
      expect(whole.adoption().get(SOURCE)?.versions).toBe(versions)
    }),
  )
})

interface PublishedEvents {
  readonly name: string
  readonly examples: readonly object[]
}

it("numbers GitHub's published payloads by growth, and gives no new numbers when they repeat", () => {
  const events = createRequire(import.meta.url)('@octokit/webhooks-examples') as readonly PublishedEvents[]
  const counts = events.flatMap(({ name, examples }) =>
    examples.map((example) => ofPayload(example, { source: 'github', eventType: name })),
  )
  expect(counts.length).toBeGreaterThan(300)
  const shapes = new Set(counts.map(({ eventType, fingerprint }) => `${eventType} ${fingerprint}`)).size
  const versions = new SchemaVersions()
  const send = () => {
    for (const one of counts) versions.apply(versions.fold([one]))
    return versions.adoption().get('github')!.versions
  }
  const first = send()
  expect(first).toBeLessThan(0.75 * shapes)
  expect(send()).toBe(first)
})
