import { parseExactJson } from '@weir/exact-json'
import { expect, it } from 'vitest'
import { stableBody } from './stable-body.ts'

const of = (text: string, ...paths: string[]) =>
  stableBody(Buffer.from(text), parseExactJson(text), paths).toString()

it('is the raw body if the source declares nothing volatile', () => {
  expect(of('{ "a": 1 }')).toBe('{ "a": 1 }')
  expect(of(' null')).toBe(' null')
})

it('is the same with or without a volatile field, in any spelling of the body', () => {
  const first = of('{"id": "x", "type": "t"}', 'attempt', 'a.b', 'a.0.c')
  expect(of('{"id": "x", "type": "t", "attempt": 2}', 'attempt')).toBe(first)
  expect(of('{"attempt":null,"type":"\\u0074","id":"x"}', 'attempt')).toBe(first)
  expect(of('{"id": "x", "type": "T"}', 'attempt')).not.toBe(first)
  expect(of('[ 1 ]', '0', 'x.y')).toBe('[1]')
})

it('is the same whether the object around a volatile field is missing, empty or not', () => {
  const none = of('{"id":1}', 'a.b', 'a.c.d')
  for (const a of ['{}', '{"b":1}', '{"c":{}}', '{"b":{},"c":{"d":2}}']) {
    expect(of(`{"id":1,"a":${a}}`, 'a.b', 'a.c.d')).toBe(none)
  }
  for (const a of ['{"e":{}}', '[]', 'null', '{"c":{"f":1}}', '{"c":[]}']) {
    expect(of(`{"id":1,"a":${a}}`, 'a.b', 'a.c.d')).not.toBe(none)
  }
  // What no volatile path leads through is kept as it is.
  expect(of('{"id":1,"e":{}}', 'a.b')).not.toBe(none)
})

it('distinguishes numbers with the same double', () => {
  const [n, m] = ['1524831183200260097', '1524831183200260101'].map((contactId) =>
    of(`{"id":"e","type":"t","contactId":${contactId},"attempt":1}`, 'attempt'),
  )
  expect(n).not.toBe(m)
})

it('is the same for deliveries that differ only in volatile fields', () => {
  const delivery = (attempt: number, state = 'new') =>
    `{"id":"i","attempt":${attempt},"meta":{"sentAt":${attempt},"kept":1},"list":[{"try":${attempt},"state":"${state}"}]}`
  const fields = ['attempt', 'meta.sentAt', 'list.0.try']
  expect(of(delivery(1), ...fields)).toBe(of(delivery(2), ...fields))
  expect(of(delivery(1), ...fields)).not.toBe(of(delivery(1, 'old'), ...fields))
  expect(of(delivery(1), 'attempt')).not.toBe(of(delivery(2), 'attempt'))
})

it('is the raw body if nothing was parsed, because otherwise all opaque bodies would be equal', () => {
  const opaque = (text: string) => stableBody(Buffer.from(text), null, ['attempt']).toString()
  expect(opaque('<page id="1"/>')).toBe('<page id="1"/>')
})
