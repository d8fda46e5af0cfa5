import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { chunksOf, SEND_BYTES_MAX, SEND_RECORDS_MAX, wireBytesOf } from './send-chunks.ts'
import { toOutputRecord } from '../protocol/encoded-record.ts'
import { recordBatch, recordsOf } from '../testing/record-batch.ts'

const bytes = (maxLength: number) =>
  fc.uint8Array({ maxLength }).map((array) => Buffer.from(array.buffer, array.byteOffset, array.length))

const wireRecord = fc.record({
  key: bytes(40),
  value: fc.option(bytes(3_000), { nil: null }),
  headers: fc.dictionary(fc.string({ maxLength: 20 }), bytes(60), { maxKeys: 5 }),
})

describe('chunksOf', () => {
  it('keeps every record, in order, within both limits', () => {
    const limits = fc.tuple(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 8_000 }))
    fc.assert(
      fc.property(fc.array(wireRecord, { maxLength: 60 }), limits, (records, [recordsMax, bytesMax]) => {
        const chunks = chunksOf(records, recordsMax, bytesMax)
        expect(chunks.flat()).toEqual(records)
        for (const chunk of chunks) {
          expect(chunk.length).toBeGreaterThan(0)
          expect(chunk.length).toBeLessThanOrEqual(recordsMax)
          const size = chunk.reduce((sum, record) => sum + wireBytesOf(record), 0)
          expect(chunk.length === 1 || size <= bytesMax).toBe(true)
        }
      }),
    )
  })

  it('makes as few chunks as possible: no two adjacent ones would fit in one', () => {
    fc.assert(
      fc.property(fc.array(wireRecord, { maxLength: 60 }), (records) => {
        const chunks = chunksOf(records, 10, 5_000)
        for (const [i, chunk] of chunks.entries()) {
          const next = chunks[i + 1]?.[0]
          if (next === undefined || chunk.length === 10) continue
          expect([...chunk, next].reduce((sum, record) => sum + wireBytesOf(record), 0)).toBeGreaterThan(
            5_000,
          )
        }
      }),
    )
  })

  it('splits a batch beyond the limits, but not at them', () => {
    const small = { key: Buffer.alloc(1), value: Buffer.alloc(1), headers: {} }
    const records = Array.from({ length: 2 * SEND_RECORDS_MAX + 1 }, () => small)
    expect(chunksOf(records).map(({ length }) => length)).toEqual([SEND_RECORDS_MAX, SEND_RECORDS_MAX, 1])
    const large = { ...small, value: Buffer.alloc(SEND_BYTES_MAX) }
    expect(chunksOf([small, large, small, large]).map(({ length }) => length)).toEqual([1, 1, 1, 1])
  })
})

describe('wireBytesOf', () => {
  // Otherwise a chunk within the limit could exceed the topic's max.message.bytes.
  it('is never less than the size of the record in a batch', async () => {
    const empty = recordBatch({ firstOffset: 0n, lastOffset: 0n, records: [] }).length
    await fc.assert(
      fc.asyncProperty(wireRecord, async ({ key, value, headers }) => {
        const offset = 1_000_000n
        const batch = recordBatch({ firstOffset: 0n, records: [{ offset, key, value, headers }] })
        expect(wireBytesOf({ key, value, headers })).toBeGreaterThanOrEqual(batch.length - empty)
        const [read] = await recordsOf(batch)
        expect(wireBytesOf(toOutputRecord(read!, 'out', 0))).toBeGreaterThanOrEqual(batch.length - empty)
      }),
    )
  })
})
