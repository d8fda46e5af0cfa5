import fc from 'fast-check'
import { expect, it } from 'vitest'
import { ArrivingBytes } from './arriving-bytes.ts'

const MAX = 1_000
const NAMES = ['a', 'b', 'c', 'd']

const step = fc.oneof(
  fc.record({ source: fc.constantFrom(...NAMES), take: fc.integer({ min: 1, max: 400 }) }),
  fc.record({ source: fc.constantFrom(...NAMES), release: fc.nat() }),
  fc.record({ divide: fc.subarray(NAMES, { minLength: 1 }) }),
)

it('holds no more than its limit, and never refuses a source its guaranteed share', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const arriving = new ArrivingBytes(MAX)
      let active: readonly string[] = NAMES
      arriving.divideAmong(active)
      const taken = new Map(NAMES.map((name) => [name, [] as number[]]))
      const shares = new Map(NAMES.map((name) => [name, arriving.of(name)]))
      const heldBy = (name: string): number => taken.get(name)!.reduce((sum, bytes) => sum + bytes, 0)
      for (const one of steps) {
        if ('divide' in one) {
          // A source that is named again has a share of its own, beside what it still holds.
          if (one.divide.some((name) => !active.includes(name))) continue
          active = one.divide
          arriving.divideAmong(active)
          continue
        }
        const { source } = one
        if ('release' in one) {
          const own = taken.get(source)!
          const [bytes] = own.splice(one.release % Math.max(1, own.length), 1)
          if (bytes !== undefined) shares.get(source)!.release(bytes)
          continue
        }
        const held = heldBy(source)
        const others = NAMES.filter((name) => name !== source).reduce((sum, name) => sum + heldBy(name), 0)
        const isTaken = shares.get(source)!.take(one.take)
        if (isTaken) taken.get(source)!.push(one.take)
        const isWithin = active.includes(source) && held + one.take <= arriving.guarantee
        if (isWithin) expect(isTaken).toBe(true)
        // What others are guaranteed is all that a lone source cannot have.
        const rest = MAX - (active.length - 1) * arriving.guarantee
        if (others === 0 && active.includes(source) && held + one.take <= rest) expect(isTaken).toBe(true)
      }
      expect(arriving.held).toBe(NAMES.reduce((sum, name) => sum + heldBy(name), 0))
    }),
  )
})

it('is bounded while the sources stay the same', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom(...NAMES), fc.integer({ min: 1, max: 400 }))), (takes) => {
      const arriving = new ArrivingBytes(MAX)
      arriving.divideAmong(NAMES)
      for (const [name, bytes] of takes) arriving.of(name).take(bytes)
      expect(arriving.held).toBeLessThanOrEqual(MAX)
    }),
  )
})
