import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  asEventKey,
  decodeReceivedWebhook,
  encodeReceivedWebhook,
  entityKeyOf,
  eventKeyOf,
  InvalidRecordError,
  isBodyWhole,
  joinDedupKey,
  type ReceivedWebhook,
} from '../index.ts'

const webhook: ReceivedWebhook = {
  source: 'cxone',
  entityKey: entityKeyOf('cxone', 'i-1'),
  interactionId: 'i-1',
  eventKey: eventKeyOf('cxone', 'i-1:CALL_CONNECTED:1'),
  dedupKey: 'i-1:CALL_CONNECTED:1',
  bodyHash: Buffer.alloc(8, 7),
  eventType: 'CALL_CONNECTED',
  receivedAt: 1_700_000_000_000,
  providerSequence: 9_007_199_254_740_993n,
  raw: Buffer.from('{"a":1}'),
}

test('a webhook survives the wire', () => {
  expect(decodeReceivedWebhook(encodeReceivedWebhook(webhook))).toEqual(webhook)
})

test('the record carries the checksum of the body', () => {
  const { headers } = encodeReceivedWebhook(webhook)
  expect(isBodyWhole(headers, webhook.raw)).toBe(true)
  expect(isBodyWhole(headers, Buffer.from('{"a":2}'))).toBe(false)
  expect(isBodyWhole({}, webhook.raw)).toBe(true)
})

test('an intake error survives the wire', () => {
  const bad = {
    ...webhook,
    intakeError: { reason: 'invalid_json', detail: 'at byte 3', answered: 'rejected' },
  } as const
  expect(decodeReceivedWebhook(encodeReceivedWebhook(bad))).toEqual(bad)
})

test('the refusal of a foreign record names the header', () => {
  const { key, value } = encodeReceivedWebhook(webhook)
  expect(() => decodeReceivedWebhook({ key, value, headers: {} })).toThrow(InvalidRecordError)
  expect(() => decodeReceivedWebhook({ key, value, headers: {} })).toThrow(/event-key/)
  expect(() => decodeReceivedWebhook({ key, value: null, headers: {} })).toThrow(InvalidRecordError)
})

test('different parts never join to the same dedup key', () => {
  const parts = fc.array(fc.string(), { minLength: 3, maxLength: 3 })
  fc.assert(
    fc.property(parts, parts, (a, b) => {
      const same = a.every((part, i) => part === b[i])
      expect(joinDedupKey(a) === joinDedupKey(b)).toBe(same)
    }),
  )
  expect(joinDedupKey(['a:b', 'c', 'd'])).not.toBe(joinDedupKey(['a', 'b:c', 'd']))
  expect(joinDedupKey(['i-1', 'CALL_CONNECTED', '1'])).toBe('i-1:CALL_CONNECTED:1')
})

test('the event key separates sources and has 16 bytes', () => {
  expect(eventKeyOf('a', 'b')).toHaveLength(16)
  expect(eventKeyOf('a', 'b').equals(eventKeyOf('b', 'a'))).toBe(false)
  expect(() => asEventKey(Buffer.alloc(15))).toThrow(RangeError)
})
