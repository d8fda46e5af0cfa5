import { createHash } from 'node:crypto'
import { createRequire } from 'node:module'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { messageOf } from '../produce/kafkajs-message.ts'
import { ForwardedRecord } from '../protocol/encoded-record.ts'
import { readBatches } from '../testing/record-batch.ts'

/**
 * The patched encoder writes into buffers sized in advance and computes checksums eight bytes at a time. The bytes on
 * the wire must stay those of the published kafkajs 2.2.4, whose hashes are recorded here. This file passes with both,
 * except for forwarded records, which the published package does not support.
 */
const require = createRequire(import.meta.url)
interface Message {
  readonly key: Buffer | string | null
  readonly value: Buffer | string | null
  readonly headers?: Readonly<Record<string, Buffer | string | readonly Buffer[]>>
  readonly timestamp?: number
}
type Produce = (parameters: object) => object
const produce = require('kafkajs/src/protocol/requests/produce/v7/request') as Produce
const encodeRequest = require('kafkajs/src/protocol/request') as (request: {
  correlationId: number
  clientId: string | null
  request: object
}) => Promise<{ readonly buffer: Buffer }>
const crc32c = require('kafkajs/src/protocol/recordBatch/crc32C') as (bytes: Buffer) => number
const EncoderClass = require('kafkajs/src/protocol/encoder') as {
  new (): { readonly buffer: Buffer; writeVarInt(value: number): void; writeVarLong(value: number): void }
  sizeOfVarInt(value: number): number
  sizeOfVarLong(value: number): number
}

const bytes = (length: number, seed = 1): Buffer => {
  let state = seed
  return Buffer.from(
    Array.from({ length }, () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
      return state >>> 24
    }),
  )
}

/** Lengths near each size step of varints and of the encoder's buffers. */
const LENGTHS = [0, 1, 63, 64, 127, 128, 255, 256, 511, 512, 1_023, 8_191, 8_192, 16_384, 70_000]
const webhooks: Message[] = Array.from({ length: 1_000 }, (_, i) => ({
  key: bytes(20, i),
  value: bytes(600, i),
  headers: { source: Buffer.from('cxone'), 'event-key': bytes(16, i), 'received-at': Buffer.from(String(i)) },
}))
const sizes: Message[] = LENGTHS.flatMap((length) => [
  { key: bytes(length), value: null },
  { key: null, value: bytes(length) },
  { key: null, value: null, headers: { [`h${'x'.repeat(length % 200)}`]: bytes(length) } },
])
const odd: Message[] = [
  { key: 'text', value: 'größer 💡', headers: { ä: 'ö', many: [bytes(3), bytes(4)], none: [] } },
  { key: Buffer.alloc(0), value: Buffer.alloc(0), headers: {} },
  { key: null, value: 'late', timestamp: 1_700_000_000_500 },
  { key: null, value: 'later', timestamp: 1_700_086_400_000 },
  { key: null, value: 'much later', timestamp: 4_800_000_000_000 },
]
const one = (messages: readonly Message[]) => [{ topic: 'topic', partitions: [{ partition: 3, messages }] }]
const two = [
  ...one(webhooks.slice(0, 3)),
  { topic: 'größer', partitions: [4, 5].map((partition) => ({ partition, messages: odd })) },
]
const transaction = { transactionalId: 'dedup-3', producerId: 123_456_789_012n, producerEpoch: 7 }

const requests: [string, object, string | null, string][] = [
  [
    'webhooks',
    { topicData: one(webhooks) },
    'weir',
    '6d27edc106777755149029a42e38505dd2e11a778c53e276cf20515bd571c047',
  ],
  [
    'a transaction',
    { topicData: one(webhooks), ...transaction, compression: 0 },
    'weir',
    '38d417033d28d0f9338607670c710a92409499006aaa01332e274743f2a4d548',
  ],
  [
    'all sizes',
    { topicData: one(sizes) },
    'weir',
    'fbc800fa37e64414d8fd37dc70ccec1b882d77c0f1f8ea3e413d595e97419778',
  ],
  [
    'odd records',
    { topicData: one(odd), ...transaction },
    null,
    '5318d64b78082ee61007b4f5298bf8413ed84abeb3f8091c283b154b4d579819',
  ],
  [
    'several topics',
    { topicData: two },
    'größer',
    '5bb5f1e05b3b23c08edde72784f6872b752f75ffd4fa2537249794b80a38c930',
  ],
  ['no topic', { topicData: [] }, '', '4c10e505aaeabaa5e39028afaa088ed3a2110868f18954564aac1aa3b7c4d6d3'],
]

describe('a produce request', () => {
  beforeEach(() => vi.useFakeTimers({ now: 1_700_000_000_000 }))
  afterEach(() => vi.useRealTimers())

  it.each(requests)('has the recorded bytes: %s', async (_, parameters, clientId, hash) => {
    const request = produce({ acks: -1, timeout: 30_000, ...parameters })
    const { buffer } = await encodeRequest({ correlationId: 42, clientId, request })
    expect(createHash('sha256').update(buffer).digest('hex')).toBe(hash)
  })

  it('has the same bytes when its records are forwarded unchanged', async () => {
    const encode = async (messages: readonly object[]): Promise<Buffer> => {
      const topicData = [{ topic: 'topic', partitions: [{ partition: 3, messages }] }]
      const request = produce({ acks: -1, timeout: 30_000, ...transaction, topicData })
      return (await encodeRequest({ correlationId: 42, clientId: 'weir', request })).buffer
    }
    const wanted = await encode([...webhooks, ...sizes])
    // The batch ends the request and follows its own length.
    const start =
      Array.from(wanted.keys()).find((at) => at > 0 && wanted.readInt32BE(at) === wanted.length - at - 4)! + 4
    const { records } = await readBatches([wanted.subarray(start)])
    expect(records).toHaveLength(webhooks.length + sizes.length)
    const passed = records.map((record) => new ForwardedRecord('topic', 3, record))
    expect(await encode(passed.map((record) => messageOf(record, 3)))).toEqual(wanted)
  })
})

describe('the checksum', () => {
  const bitwise = (data: Buffer): number => {
    let crc = 0xffffffff
    for (const byte of data) {
      crc ^= byte
      for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
    }
    return (crc ^ 0xffffffff) >>> 0
  }

  it('is CRC-32C', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283)
    for (let length = 0; length < 70; length++) {
      const data = bytes(length + 3, length).subarray(3)
      expect(crc32c(data)).toBe(bitwise(data))
    }
    expect(crc32c(bytes(100_000))).toBe(bitwise(bytes(100_000)))
  })
})

describe('variable-length numbers', () => {
  const reference = (value: number): number[] => {
    let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n))
    const written: number[] = []
    while (rest > 127n) {
      written.push(Number(rest & 127n) | 128)
      rest >>= 7n
    }
    return [...written, Number(rest)]
  }
  const near = (value: number) => [value - 1, value, value + 1]
  const edges = Array.from({ length: 46 }, (_, i) => 2 ** i).flatMap((one) => [...near(one), ...near(-one)])

  it('follow the protocol', () => {
    for (const value of edges) {
      const long = new EncoderClass()
      long.writeVarLong(value)
      expect([...long.buffer]).toEqual(reference(value))
      expect(EncoderClass.sizeOfVarLong(value)).toBe(reference(value).length)
      if (value < -(2 ** 31) || value >= 2 ** 31) continue
      const int = new EncoderClass()
      int.writeVarInt(value)
      expect([...int.buffer]).toEqual(reference(value))
      expect(EncoderClass.sizeOfVarInt(value)).toBe(reference(value).length)
    }
  })
})
