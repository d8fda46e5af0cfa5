import { INTERACTION_EVENT_SCHEMA } from '@weir/contracts'
import avsc from 'avsc'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { LONG_TYPE } from './long-type.ts'

const schema = { type: 'record', name: 'A', fields: [{ name: 'n', type: ['null', 'long'] }] } as const
const build = (options: object) => avsc.Type.forSchema(schema as unknown as avsc.Schema, options)
const exact = build({ typeHook: (one: unknown) => (one === 'long' ? LONG_TYPE : undefined) })
const own = build({})

const SAFE_MAX = BigInt(Number.MAX_SAFE_INTEGER)
const long = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc
    .bigInt({ min: 0n, max: 62n })
    .chain((bits) => fc.constantFrom(2n ** bits, 2n ** bits - 1n, -(2n ** bits))),
  fc.constantFrom(SAFE_MAX - 1n, SAFE_MAX, SAFE_MAX + 1n, SAFE_MAX + 2n, 2n ** 63n - 1n, -(2n ** 63n)),
)

it('reads every 64-bit long exactly, as a number if that is exact', () => {
  fc.assert(
    fc.property(long, (n) => {
      const read = exact.fromBuffer(exact.toBuffer({ n })) as { n: number | bigint }
      expect(BigInt(read.n)).toBe(n)
      expect(typeof read.n).toBe(n >= -SAFE_MAX && n <= SAFE_MAX ? 'number' : 'bigint')
    }),
    { numRuns: 5_000 },
  )
})

it('writes the same bytes as avsc where avsc is exact', () => {
  // avsc writes a wrong number above it, because it computes the zigzag form with doubles.
  const max = 2 ** 52 - 1
  fc.assert(
    fc.property(fc.integer({ min: -max, max }), (n) => {
      expect(exact.toBuffer({ n })).toEqual(own.toBuffer({ n }))
      expect(exact.toBuffer({ n: BigInt(n) })).toEqual(own.toBuffer({ n }))
    }),
  )
})

it.each([1.5, 2 ** 53, 2n ** 63n, -(2n ** 63n) - 1n, '5', undefined])('refuses %s', (n) => {
  expect(() => exact.toBuffer({ n })).toThrow()
})

it('returns how many bytes are missing in a buffer that is too small', () => {
  const buffer = Buffer.alloc(3)
  const end = exact.encode({ n: 2n ** 62n }, buffer, 0)
  expect(end).toBe(3 - exact.toBuffer({ n: 2n ** 62n }).length)
})

it('is a long of the event schema', () => {
  const options = { typeHook: (one: unknown) => (one === 'long' ? LONG_TYPE : undefined) }
  const type = avsc.Type.forSchema(INTERACTION_EVENT_SCHEMA as unknown as avsc.Schema, options)
  expect(type.schema()).toMatchObject({ type: 'record', name: 'weir.InteractionEvent' })
})
