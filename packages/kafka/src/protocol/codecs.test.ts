import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { constants, createZstdCompress, gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { compressFrameSync } from 'lz4-napi'
import { compressSync } from 'snappy'
import { describe, expect, it } from 'vitest'
import { decompressed, decompressSnappy, OversizedBatchError } from './codecs.ts'
import { readBatches, recordBatch, recordsOf } from '../testing/record-batch.ts'

/**
 * Batches as three other clients sent them to a broker: the Java client of Kafka 4.3.1 (its snappy uses xerial
 * framing), franz-go 1.22.3 and librdkafka 2.16.0. Each has the values `<i>:weirweir...`, 150 of 1 KB.
 */
const batches = JSON.parse(
  readFileSync(new URL('../testing/foreign-batches.json', import.meta.url), 'utf8'),
) as Record<string, string>
const COMPRESSION_AT = 22
const CODES = { gzip: 1, snappy: 2, lz4: 3, zstd: 4 }
const small = Buffer.alloc(1)
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
  it.each(Object.entries(CODES))('are read back: %s', async (_, compression) => {
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

  it('decodes an empty stream of blocks to no bytes', () => {
    expect(decompressSnappy(xerial(), 100)).toEqual(Buffer.alloc(0))
  })

  // Regression: with -4 the reader stepped back to the same length and never ended.
  it.each([-4, -1, 0, 5, 2 ** 31 - 1])('refuses a block that says it has %i bytes and has three', (bytes) => {
    expect(() => decompressSnappy(xerial(length(bytes), Buffer.from('abc')), 100)).toThrow()
  })

  it('refuses a stream that ends within a length', () => {
    expect(() => decompressSnappy(xerial(Buffer.from([0, 0])), 100)).toThrow(RangeError)
  })
})

const xerialOf = (bytes: Buffer): Buffer => {
  const blocks: Buffer[] = []
  for (let at = 0; at < bytes.length; at += 65_536) {
    const block = compressSync(bytes.subarray(at, at + 65_536))
    const length = Buffer.alloc(4)
    length.writeInt32BE(block.length)
    blocks.push(length, block)
  }
  return Buffer.concat([Buffer.from('82534e41505059000000000100000001', 'hex'), ...blocks])
}

const WAYS: readonly (readonly [string, number, (bytes: Buffer) => Buffer])[] = [
  ['gzip', CODES.gzip, (bytes) => gzipSync(bytes)],
  ['snappy', CODES.snappy, (bytes) => compressSync(bytes)],
  ['snappy of Java', CODES.snappy, xerialOf],
  ['lz4', CODES.lz4, (bytes) => compressFrameSync(bytes)],
  ['zstd', CODES.zstd, (bytes) => zstdCompressSync(bytes)],
]

describe.each(WAYS)('what %s holds', (_, code, compress) => {
  it('comes out whole up to the limit, and not a byte more', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), fc.nat(300_000), (random, zeros) => {
        const bytes = Buffer.concat([random, Buffer.alloc(zeros)])
        expect(decompressed(compress(bytes), code, 4_194_304 * 2).equals(bytes)).toBe(true)
      }),
      { numRuns: 30 },
    )
    const whole = Buffer.alloc(1_000_000)
    for (const limit of [999_999, 1_000, 1]) {
      expect(() => decompressed(compress(whole), code, limit)).toThrow(OversizedBatchError)
    }
  })

  it('is not believed where its length lies', () => {
    fc.assert(
      fc.property(fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 8 }), (at, garbage) => {
        const bytes = compress(Buffer.alloc(1_000, 7))
        bytes.set(garbage.subarray(0, bytes.length), at % Math.max(1, bytes.length - garbage.length))
        let held = 0
        try {
          held = decompressed(bytes, code, 100_000).length
        } catch (error) {
          expect(error).toBeInstanceOf(Error)
        }
        expect(held).toBeLessThanOrEqual(100_000)
      }),
      { numRuns: 200 },
    )
  })
})

it.each([1, 3, 19, 20, 21, 22])(
  'zstd of level %i is read, as producers stream it and brokers compress it',
  async (level) => {
    const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * i) % 251))
    const stream = createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: level } })
    const parts: Buffer[] = []
    stream.on('data', (part: Buffer) => parts.push(part))
    // Written in two parts, so that the header does not state the size and the window is that of the level.
    stream.write(bytes.subarray(0, 1_000))
    stream.end(bytes.subarray(1_000))
    await once(stream, 'end')
    expect(decompressed(Buffer.concat(parts), CODES.zstd, 1_000_000).equals(bytes)).toBe(true)
  },
)

it('an unknown codec is named as such', () => {
  expect(() => decompressed(Buffer.alloc(10), 5, 100)).toThrow('unknown compression codec 5')
})

it('a batch that would be 128 MB is refused before they are held, whatever the codec', () => {
  const records = [{ offset: 7n, value: Buffer.alloc(128_000_000) }]
  const bombs = Object.values(CODES).map((compression) =>
    recordBatch({ firstOffset: 7n, records, compression }),
  )
  const many = Array.from({ length: 300_000 }, (_, i) => ({ offset: BigInt(i), value: small }))
  bombs.push(recordBatch({ firstOffset: 0n, records: many, compression: CODES.zstd }))
  const main = new URL('../testing/read-batches-main.ts', import.meta.url).pathname
  const { stdout, stderr, status } = spawnSync(process.execPath, [main], {
    input: bombs.map((bomb) => bomb.toString('base64')).join('\n'),
    encoding: 'utf8',
  })
  expect([stderr, status]).toEqual(['', 0])
  const { errors, grownKb } = JSON.parse(stdout) as { errors: string[]; grownKb: number }
  expect(errors).toHaveLength(5)
  for (const error of errors.slice(0, 4)) {
    expect(error).toMatch(
      /^OversizedBatchError: the batch of the offsets 7 to 7, of \d+ bytes, holds more than 16777216/,
    )
  }
  expect(errors[4]).toMatch(/300000 records, more than 200000/)
  // Memory that a codec allocated before it stopped; held until the next garbage collection.
  expect(grownKb).toBeLessThan(80_000)
})

it('small batches that are large together are read in parts, each once', async () => {
  const value = Buffer.alloc(5_000_000, 1)
  const batches = Array.from({ length: 12 }, (_, i) =>
    recordBatch({ firstOffset: BigInt(i), records: [{ offset: BigInt(i), value }], compression: CODES.zstd }),
  )
  const seen: bigint[] = []
  let answers = 0
  for (let from = 0n; from < 12n; answers++) {
    const { records, nextOffset } = await readBatches(batches.slice(Number(from)), { from })
    expect(records.length).toBeGreaterThan(0)
    expect(records.length).toBeLessThan(9)
    seen.push(...records.map(({ offset }) => offset))
    from = nextOffset!
  }
  expect(seen).toEqual(batches.map((_, i) => BigInt(i)))
  expect(answers).toBe(2)
})

it('batches before an unreadable batch are read', async () => {
  const good = recordBatch({ firstOffset: 0n, records: [{ offset: 0n, value: small }] })
  const records = [{ offset: 1n, value: Buffer.alloc(17_000_000) }]
  const bomb = recordBatch({ firstOffset: 1n, records, compression: CODES.zstd })
  expect(await readBatches([good, bomb])).toMatchObject({ records: [{ offset: 0n }], nextOffset: 1n })
  await expect(readBatches([bomb], { from: 1n })).rejects.toThrow(OversizedBatchError)
})

it('a record with more than 256 headers is read without headers', async () => {
  const headers = Array.from({ length: 300_000 }, (_, i) => [`h${i}`, small] as const)
  const records = [
    { offset: 0n, value: small, headers },
    { offset: 1n, value: small, headers: headers.slice(0, 256) },
  ]
  const [flooded, full] = await recordsOf(recordBatch({ firstOffset: 0n, records }))
  expect([Object.keys(flooded!.headers).length, flooded!.value]).toEqual([0, small])
  expect(Object.keys(full!.headers)).toHaveLength(256)
})
