import { describe, expect, it } from 'vitest'
import { acknowledgement, explicitPartition } from './kafkajs-message.ts'

describe('acknowledgement', () => {
  const result = { topicName: 'a', partition: 1, errorCode: 0, baseOffset: '7' }

  it('is the result for this topic and partition', () => {
    expect(acknowledgement([{ ...result, partition: 0, baseOffset: '3' }, result], 'a', 1)).toBe(result)
  })

  // kafkajs omits a partition whose leader moved to a broker that has already responded.
  it.each([
    ['no result at all', []],
    ['the result of another partition', [{ ...result, partition: 0 }]],
    ['the result of another topic', [{ ...result, topicName: 'b' }]],
    ['an error', [{ ...result, errorCode: 6 }]],
  ])('is not %s', (_, results) => {
    expect(() => acknowledgement(results, 'a', 1)).toThrow('no acknowledgement for a/1')
  })
})

describe('explicitPartition', () => {
  it('is what the record says, and nothing else', () => {
    expect(explicitPartition({ message: { partition: 0 } })).toBe(0)
    expect(() => explicitPartition({ message: {} })).toThrow('a record without a partition')
  })
})
