import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  chunkKeyOf,
  decodeStateRecord,
  encodeChunk,
  encodeIdentity,
  encodePosition,
  encodeTombstone,
  StateRecordError,
} from '../index.ts'
import type { KeyAndValue } from './state-record.ts'

const BUCKET = { start: 1_700_000_000_000, lengthMs: 3_600_000 }
const chunkKey = chunkKeyOf(BUCKET, 'webhooks.received.v1@1000+0')
const position = fc.record({
  next: fc.dictionary(fc.constantFrom('received', 'replay'), fc.bigInt(0n, 2n ** 62n), {
    noNullPrototype: true,
  }),
  effectiveTime: fc.nat(4_102_444_800_000),
  rotations: fc.nat(1_000_000),
  partitions: fc.integer({ min: 1, max: 1_000 }),
})
const records: fc.Arbitrary<KeyAndValue> = fc.oneof(
  fc.uuid().map(encodeIdentity),
  position.map(encodePosition),
  fc.constant(encodeTombstone(chunkKey)),
  fc.uint8Array({ minLength: 24, maxLength: 24 }).map((entry) => encodeChunk(chunkKey, Buffer.from(entry))),
)

/** A record as bytes, and the record that such bytes are. */
const flatten = ({ key, value, headers = {} }: KeyAndValue) => {
  const [[name, header] = ['', Buffer.alloc(0)]] = Object.entries(headers)
  const parts = [key, value ?? Buffer.alloc(0), Buffer.from(name, 'latin1'), header]
  const unflatten = (bytes: Buffer): KeyAndValue => {
    let at = 0
    const [k, v, n, h] = parts.map(({ length }) => bytes.subarray(at, (at += length)))
    return {
      key: k!,
      value: value === null ? null : v!,
      headers: name === '' ? {} : { [n!.toString('latin1')]: h! },
    }
  }
  return { bytes: Buffer.concat(parts), unflatten }
}

describe('a state record', () => {
  it('is read back as it was written', () => {
    fc.assert(
      fc.property(position, (one) => {
        expect(decodeStateRecord(encodePosition(one))).toEqual({ kind: 'position', position: one })
      }),
    )
  })

  // A flipped bit turned position 1000 into 9000, which 2^3 away is a digit too.
  it('is refused with any bit flipped', () => {
    fc.assert(
      fc.property(records, (record) => {
        const { bytes, unflatten } = flatten(record)
        for (let bit = 0; bit < bytes.length * 8; bit++) {
          const damaged = Buffer.from(bytes)
          damaged[bit >> 3]! ^= 1 << (bit & 7)
          expect(() => decodeStateRecord(unflatten(damaged)), `bit ${bit}`).toThrow(StateRecordError)
        }
      }),
      { numRuns: 30 },
    )
  })

  it('of an earlier version is read without a checksum', () => {
    const identity = { key: Buffer.from('identity'), value: Buffer.from('b3b1') }
    expect(decodeStateRecord(identity)).toEqual({ kind: 'identity', identity: 'b3b1' })
    const text = '{"format":1,"next":{"in":"1000"},"effectiveTime":5,"rotations":0,"partitions":4}'
    expect(decodeStateRecord({ key: Buffer.from('position'), value: Buffer.from(text) })).toEqual({
      kind: 'position',
      position: { next: { in: 1_000n }, effectiveTime: 5, rotations: 0, partitions: 4 },
    })
    const tombstone = { key: Buffer.from(chunkKey), value: null, headers: {} }
    expect(decodeStateRecord(tombstone)).toEqual({ kind: 'tombstone', chunkKey })
  })

  it('is readable for an earlier version, which ignores headers', () => {
    const { key, value } = encodePosition({ next: { in: 7n }, effectiveTime: 5, rotations: 1, partitions: 2 })
    expect(value!.toString()).toBe(
      '{"format":1,"next":{"in":"7"},"effectiveTime":5,"rotations":1,"partitions":2}',
    )
    expect(key.toString()).toBe('position')
  })
})
