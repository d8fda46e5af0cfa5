import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { decompressSnappy } from './codecs.ts'
import { recordBatch, recordsOf } from './testing/record-batch.ts'

/**
 * Batches as three foreign clients really sent them to a broker: the Java client of Kafka 4.3.1 (its snappy is
 * xerial's framing), franz-go 1.22.3 and librdkafka 2.16.0. Each has the values `<i>:weirweir...`, 150 of 1 KB.
 */
const batches = JSON.parse(
  readFileSync(new URL('./testing/foreign-batches.json', import.meta.url), 'utf8'),
) as Record<string, string>
const COMPRESSION_AT = 22
const CODES = { gzip: 1, snappy: 2, lz4: 3, zstd: 4 }
const expected = Array.from({ length: 150 }, (_, i) => `${i}:${'weir'.repeat(250)}`)

const valuesOf = async (batch: Buffer): Promise<string[]> =>
  (await recordsOf(batch)).map(({ value }) => value!.toString())

describe('batches of other clients', () => {
  it.each(Object.entries(batches))('are read: %s', async (name, base64) => {
    const batch = Buffer.from(base64, 'base64')
    expect(batch[COMPRESSION_AT]! & 7).toBe(CODES[name.split('-')[1] as keyof typeof CODES])
    expect(await valuesOf(batch)).toEqual(expected)
  })
})

describe('batches of our own', () => {
  it.each(Object.entries(CODES))('are read again: %s', async (_, compression) => {
    const records = expected.map((value, i) => ({ offset: BigInt(i), value: Buffer.from(value) }))
    const batch = recordBatch({ firstOffset: 0n, records, compression })
    expect(batch.length).toBeLessThan(20_000)
    expect(await valuesOf(batch)).toEqual(expected)
  })
})

describe('snappy', () => {
  const xerial = (...blocks: readonly Buffer[]) =>
    Buffer.concat([Buffer.from('82534e4150505900', 'hex'), Buffer.from('0000000100000001', 'hex'), ...blocks])
  const length = (value: number) => {
    const bytes = Buffer.alloc(4)
    bytes.writeInt32BE(value)
    return bytes
  }

  it('takes an empty stream of blocks for nothing', () => {
    expect(decompressSnappy(xerial())).toEqual(Buffer.alloc(0))
  })

  // -4 let the reader step back to the same length for ever.
  it.each([-4, -1, 0, 5, 2 ** 31 - 1])('refuses a block that says it has %i bytes and has three', (bytes) => {
    expect(() => decompressSnappy(xerial(length(bytes), Buffer.from('abc')))).toThrow()
  })

  it('refuses a stream that ends within a length', () => {
    expect(() => decompressSnappy(xerial(Buffer.from([0, 0])))).toThrow(RangeError)
  })
})
