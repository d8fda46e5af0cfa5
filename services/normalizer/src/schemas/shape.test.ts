import fc from 'fast-check'
import { expect, it } from 'vitest'
import { computeShape, ShapeCache } from './shape.ts'

const fingerprintOf = (payload: unknown) => computeShape(payload).fingerprint

it('depends on types and nesting, but not on values or the order of keys', () => {
  expect(fingerprintOf({ a: 1, b: { c: 'x' } })).toBe(fingerprintOf({ b: { c: 'y' }, a: 2 }))
  expect(fingerprintOf({ a: 1 })).not.toBe(fingerprintOf({ a: '1' }))
  expect(fingerprintOf({ a: { b: 1 } })).not.toBe(fingerprintOf({ 'a/"b"': 1 }))
  expect(fingerprintOf({ a: [{ b: 1 }] })).not.toBe(fingerprintOf({ a: [{ b: '1' }] }))
})

it('counts an array by the shapes of its elements, not by their number', () => {
  expect(fingerprintOf([{ a: 1 }, { a: 2 }])).toBe(fingerprintOf([{ a: 3 }]))
  expect(fingerprintOf([{ a: 1 }, { b: 2 }])).toBe(fingerprintOf([{ b: 1 }, { a: 2 }, { a: 3 }]))
  expect(fingerprintOf([])).not.toBe(fingerprintOf([1]))
})

it('never changes, because stored versions refer to the fingerprint', () => {
  expect(fingerprintOf({ id: 'evt-1', type: 't', agent_skills: ['x'], n: { a: null } })).toBe(
    '457e8c8908593980',
  )
})

it('limits the cost of a payload with thousands of keys or levels', () => {
  const wide = Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`key-${i}`, i]))
  expect(computeShape(wide)).toEqual({ fingerprint: 'wide', paths: [], fields: [] })
  let deep: unknown = 1
  for (let i = 0; i < 10_000; i++) deep = { deep }
  expect(computeShape(deep).paths.length).toBeLessThan(40)
  expect(new ShapeCache().shapeOf(deep)).toEqual(computeShape(deep))
})

it('finds in its cache the same shape that it would compute, for any payloads in any order', () => {
  const payload = fc.jsonValue({ maxDepth: 4 })
  const similar = fc
    .array(fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.oneof(fc.nat(), fc.string(), fc.constant(null))))
    .map((list) => ({ list }))
  fc.assert(
    fc.property(fc.array(fc.oneof(payload, similar), { maxLength: 30 }), (payloads) => {
      const cache = new ShapeCache()
      for (const one of payloads) expect(cache.shapeOf(one)).toEqual(computeShape(one))
    }),
    { numRuns: 300 },
  )
})

it('keeps a bounded cache under a storm of random keys', () => {
  const cache = new ShapeCache()
  for (let i = 0; i < 60_000; i++) cache.shapeOf({ [`random-${i}`]: i })
  expect(cache.shapeOf({ a: 1 })).toEqual(computeShape({ a: 1 }))
})
