import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { KeyHashing, KeyProbe, SALT_BYTES } from './key-hashing.ts'
import { KeyTable } from './key-table.ts'

const hashing = new KeyHashing(randomBytes(SALT_BYTES))
const probe = new KeyProbe(hashing)

it('holds the same keys as a plain map, in the order of arrival, also when it grows and is cleared', () => {
  const entry = fc.tuple(fc.uint8Array({ minLength: 16, maxLength: 16, max: 2 }), fc.bigInt(0n, 9n))
  const round = fc.array(entry, { maxLength: 3_000, size: 'max' })
  fc.assert(
    fc.property(fc.array(round, { minLength: 1, maxLength: 2 }), (rounds) => {
      const table = new KeyTable(hashing)
      for (const entries of rounds) {
        table.clear()
        const model = new Map<string, Buffer>()
        for (const [bytes, number] of entries) {
          const key = Buffer.from(bytes)
          const hash = Buffer.alloc(8)
          hash.writeBigInt64LE(number)
          expect(table.add(probe.set(key), hash)).toBe(!model.has(key.toString('hex')))
          if (!model.has(key.toString('hex'))) model.set(key.toString('hex'), hash)
        }
        expect(table.count).toBe(model.size)
        const all = [...model].map(([key, hash]) => Buffer.concat([Buffer.from(key, 'hex'), hash]))
        expect(table.bytes(0, table.count).equals(Buffer.concat(all))).toBe(true)
        for (const [index, one] of all.entries()) {
          expect(table.find(probe.set(one))).toBe(index)
          expect(table.bodyHash(index).equals(one.subarray(16))).toBe(true)
        }
        for (let i = 0; i < 50; i++) expect(table.find(probe.set(randomBytes(16)))).toBe(-1)
      }
    }),
    { numRuns: 20 },
  )
}, 60_000)
