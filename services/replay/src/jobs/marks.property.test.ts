import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Marks } from './marks.ts'

const place = fc.record({ partition: fc.nat(2), offset: fc.bigInt({ min: 0n, max: 20_000n }) })

it('keeps the last status of each letter over restarts, and changes no other', () => {
  const steps = fc.array(
    fc.record({ letters: fc.array(place), status: fc.constantFrom('replayed', 'discarded') }),
  )
  fc.assert(
    fc.property(steps, place, (all, other) => {
      const expected = new Map<string, string>()
      const topic = new Map<string, Buffer>()
      let marks = new Marks()
      for (const { letters, status } of all) {
        for (const { key, value } of marks.records('normalizer', letters, status))
          topic.set(key.toString(), value)
        for (const { partition, offset } of letters) expected.set(`${partition}/${offset}`, status)
        marks = new Marks()
        for (const [key, value] of topic) marks.restore(Buffer.from(key), value)
      }
      for (const [where, status] of expected) {
        const [partition, offset] = where.split('/')
        expect(marks.statusOf('normalizer', Number(partition), BigInt(offset!))).toBe(status)
      }
      const known = expected.get(`${other.partition}/${other.offset}`) ?? 'pending_inspection'
      expect(marks.statusOf('normalizer', other.partition, other.offset)).toBe(known)
      expect(marks.statusOf('dedup', other.partition, other.offset)).toBe('pending_inspection')
    }),
  )
})

it('changes nothing until its records are read back', () => {
  const marks = new Marks()
  marks.records('dedup', [{ partition: 0, offset: 1n }], 'replayed')
  expect(marks.statusOf('dedup', 0, 1n)).toBe('pending_inspection')
})
