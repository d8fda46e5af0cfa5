import { expect, it } from 'vitest'
import type { JsonValue } from './source.ts'
import { stableBody } from './stable-body.ts'

const of = (text: string, ...paths: string[]) =>
  stableBody(Buffer.from(text), JSON.parse(text) as JsonValue, paths).toString()

it('is the raw body where nothing is volatile, or what is volatile is not there', () => {
  expect(of('{ "a": 1 }')).toBe('{ "a": 1 }')
  expect(of('{ "a": 1 }', 'attempt', 'a.b', 'a.0.c')).toBe('{ "a": 1 }')
  expect(of('[ 1 ]', '0', 'x.y')).toBe('[ 1 ]')
  expect(of(' null', 'x')).toBe(' null')
})

it('is the same for deliveries that differ in volatile fields alone', () => {
  const delivery = (attempt: number, state = 'new') =>
    `{"id":"i","attempt":${attempt},"meta":{"sentAt":${attempt},"kept":1},"list":[{"try":${attempt},"state":"${state}"}]}`
  const fields = ['attempt', 'meta.sentAt', 'list.0.try']
  expect(of(delivery(1), ...fields)).toBe(of(delivery(2), ...fields))
  expect(of(delivery(1), ...fields)).not.toBe(of(delivery(1, 'old'), ...fields))
  expect(of(delivery(1), 'attempt')).not.toBe(of(delivery(2), 'attempt'))
})
