import fc from 'fast-check'
import { expect, it } from 'vitest'
import { parseDeadLetterKeys } from './dead-letter-cipher.ts'
import { deadLetterBody, encodeDeadLetter } from './dead-letter.ts'
import { RECORD_BYTES_MAX, recordBytesOf, TOPIC_RECORD_BYTES_MIN } from './record-size.ts'
import { HEADER } from './wire.ts'

const BATCH_OVERHEAD_BYTES = 61
const keys = parseDeadLetterKeys([`k:${'ab'.repeat(32)}`])

const around = (bytes: number) => fc.integer({ min: bytes - 3_000, max: bytes + 3_000 })
const origin = fc
  .record({
    key: fc.oneof(fc.nat(100), around(4_000), fc.nat(900_000)),
    value: fc.oneof(fc.nat(1_000), around(900_000), around(RECORD_BYTES_MAX), fc.nat(1_100_000)),
    headers: fc.array(fc.oneof(fc.nat(100), around(32_000), fc.nat(200_000)), { maxLength: 4 }),
  })
  .map(({ key, value, headers }) => ({
    topic: 'webhooks.unique.v1',
    partition: 0,
    offset: 1n,
    key: Buffer.alloc(key, 'k'),
    value: Buffer.alloc(value, 'v'),
    headers: Object.fromEntries(headers.map((length, i) => [`header-${i}`, Buffer.alloc(length)])),
  }))

it('every record has a letter that a topic accepts, and the letter of a record within the limit holds it whole', () => {
  fc.assert(
    fc.property(
      origin,
      fc.boolean(),
      fc.string({ unit: 'binary', maxLength: 600 }),
      (record, isSealed, error) => {
        const given = isSealed ? keys : undefined
        const letter = encodeDeadLetter(
          { origin: record, reason: 'unmappable', step: 'step', error, failedAt: 1_700_000_000_000 },
          given,
        )
        expect(recordBytesOf(letter) + BATCH_OVERHEAD_BYTES).toBeLessThanOrEqual(TOPIC_RECORD_BYTES_MIN)
        const body = deadLetterBody(letter, given)
        const truncated = letter.headers[HEADER.dlqTruncated]
        if (truncated === undefined) {
          expect(body.equals(record.value)).toBe(true)
          expect(letter.key.equals(record.key)).toBe(true)
          for (const name in record.headers) expect(letter.headers[name]).toBe(record.headers[name])
        } else {
          expect(truncated.toString()).toBe(String(record.value.length))
          const headerBytes = Object.values(record.headers).reduce((sum, { length }) => sum + length + 20, 0)
          const isLarge = recordBytesOf(record) > RECORD_BYTES_MAX
          expect(isLarge || record.key.length > 4_000 || headerBytes > 64_000).toBe(true)
        }
      },
    ),
    { numRuns: 100 },
  )
})
