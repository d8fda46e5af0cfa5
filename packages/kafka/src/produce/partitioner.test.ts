import { describe, expect, it } from 'vitest'
import { partitionOf } from './partitioner.ts'

describe('partitionOf', () => {
  // Test vectors of Kafka's own murmur2 test (org.apache.kafka.common.utils.UtilsTest).
  it.each([
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ])('hashes %s as Kafka does', (key, hash) => {
    const positive = hash & 0x7fffffff
    expect(partitionOf(Buffer.from(key), 2 ** 31 - 1)).toBe(positive)
    for (const count of [1, 2, 12, 1_000]) expect(partitionOf(Buffer.from(key), count)).toBe(positive % count)
  })

  it('reads only the bytes of a view of a larger buffer', () => {
    const large = Buffer.from('xxfoobarxx')
    expect(partitionOf(large.subarray(2, 8), 1_000)).toBe(partitionOf(Buffer.from('foobar'), 1_000))
  })
})
