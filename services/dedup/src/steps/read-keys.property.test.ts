import { decodeReceivedWebhook, HEADER, InvalidRecordError } from '@weir/contracts'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { readKeys } from './read-keys.ts'

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const maybe = (value: fc.Arbitrary<Uint8Array>) => fc.option(value, { freq: 8, nil: undefined })
const text = (...values: string[]) =>
  fc.constantFrom(...values.map((value) => new Uint8Array(Buffer.from(value))))

const headers = fc.record({
  [HEADER.source]: maybe(text('cxone', '')),
  [HEADER.eventKey]: maybe(fc.oneof({ weight: 6, arbitrary: bytes(16) }, bytes(15), bytes(0))),
  [HEADER.bodyHash]: maybe(fc.oneof({ weight: 6, arbitrary: bytes(8) }, bytes(9))),
  [HEADER.contentKey]: fc.option(fc.oneof({ weight: 4, arbitrary: bytes(16) }, bytes(8)), { nil: undefined }),
  [HEADER.dedupKey]: maybe(fc.oneof(text('a:b:1'), bytes(3))),
  [HEADER.eventType]: maybe(text('CALL_CONNECTED')),
  [HEADER.interactionId]: maybe(text('i')),
  [HEADER.receivedAt]: maybe(text('1', 'x')),
  [HEADER.intakeError]: fc.option(text('invalid_json', 'no such reason'), { nil: undefined }),
})

it('accepts and refuses the same records as decodeReceivedWebhook', () => {
  const seen = { taken: 0, refused: 0 }
  fc.assert(
    fc.property(headers, maybe(bytes(2)), maybe(bytes(2)), (found, key, value) => {
      const given = Object.entries(found).filter(([, one]) => one !== undefined)
      const record = {
        topic: 't',
        partition: 0,
        offset: 0n,
        timestamp: 0,
        key: key === undefined ? null : Buffer.from(key),
        value: value === undefined ? null : Buffer.from(value),
        headers: Object.fromEntries(given.map(([name, one]) => [name, Buffer.from(one!)])),
      }
      const outcome = readKeys(record)
      let decoded
      try {
        decoded = decodeReceivedWebhook(record)
      } catch (error) {
        expect(error).toBeInstanceOf(InvalidRecordError)
      }
      seen[decoded === undefined ? 'refused' : 'taken'] += 1
      if (decoded === undefined) {
        expect(outcome).toMatchObject({ kind: 'deadLetter', reason: 'record_invalid' })
      } else {
        const { eventKey, bodyHash, intakeError } = decoded
        expect(outcome).toMatchObject({ kind: 'ok', value: { eventKey, bodyHash } })
        if (outcome.kind === 'ok') expect(outcome.value.contentKey).toEqual(decoded.contentKey)
        if (outcome.kind === 'ok') expect(outcome.value.intakeError?.reason).toBe(intakeError?.reason)
      }
    }),
    { numRuns: 1_000 },
  )
  expect(seen.taken).toBeGreaterThan(50)
  expect(seen.refused).toBeGreaterThan(50)
})
