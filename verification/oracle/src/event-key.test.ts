import { expect, it } from 'vitest'
import { identify } from './event-key.ts'
import { sha256 } from './testing.ts'

const of = (source: string, body: unknown) => {
  const raw = typeof body === 'string' ? body : JSON.stringify(body)
  return identify(source, Buffer.from(raw), sha256(raw))
}
const keyOf = (source: string, dedupKey: string): string => sha256(`${source}\0${dedupKey}`).slice(0, 32)

it('has the key that the README shows', () => {
  const body =
    '{"interactionId":"call-1","eventType":"CALL_CONNECTED","timestamp":"2026-01-31T12:00:00.000Z","agentId":"agent-7","skill":"Sales","direction":"inbound","sequenceNumber":1}'
  expect(of('cxone', body)).toEqual({
    kind: 'event',
    key: 'f92fcb65b7c6fbf77c81f9eef2e4ca7f',
    sequence: 1n,
    interaction: 'call-1',
    type: 'CALL_CONNECTED',
  })
})

it.each([
  ['cxone', { interactionId: 'i', eventType: 't', sequenceNumber: '7' }, 'i:t:7'],
  ['cxone', { interactionId: 'i', eventType: 't', timestamp: 'now' }, 'i:t:now'],
  ['cxone', { eventType: 't', timestamp: 'now', data: { id: 'd:1', channelType: 'voice' } }, 'd\\:1:t:now'],
  [
    'cognigy',
    { conversationId: 'c', sessionId: 's', intent: 'i', userId: 'u', timestamp: 5 },
    sha256('c:5:s'),
  ],
  ['nice', { interactionId: 'i', dataActionId: 'd', updatedTimestamp: 'u' }, 'i:d:u'],
])('%s %j', (source, body, dedupKey) => {
  expect(of(source, body)).toMatchObject({ kind: 'event', key: keyOf(source, dedupKey) })
})

it('keeps every digit of a number', () => {
  const body = '{"interactionId":1524831183200260101,"eventType":"t","sequenceNumber":9007199254740993}'
  const key = keyOf('cxone', '1524831183200260101:t:9007199254740993')
  expect(of('cxone', body)).toMatchObject({ key, sequence: 9_007_199_254_740_993n })
})

it.each([
  ['7.0', 7n],
  ['70e-1', 7n],
  ['0.7e1', 7n],
  ['-0', 0n],
  ['0e99999', 0n],
  ['1e18', 1_000_000_000_000_000_000n],
  ['9223372036854775807', 9_223_372_036_854_775_807n],
  ['"007"', 7n],
  ['9223372036854775808', undefined],
  ['1e19', undefined],
  ['1e99999999999', undefined],
  ['7.5', undefined],
  ['1e-400', undefined],
  ['-7', undefined],
  ['"7.0"', undefined],
  ['"+7"', undefined],
  ['" 7"', undefined],
  ['null', undefined],
])('reads the sequence number %s as %s', (json, sequence) => {
  const body = `{"interactionId":"i","eventType":"t","sequenceNumber":${json},"timestamp":"now"}`
  const key = keyOf('cxone', `i:t:${sequence ?? 'now'}`)
  const { sequence: read, ...identity } = of('cxone', body) as { readonly sequence?: bigint }
  expect([read, identity]).toEqual([sequence, { kind: 'event', key, interaction: 'i', type: 't' }])
})

it.each([
  ['a text of 513 bytes', 'é'.repeat(256) + 'x'],
  ['a text with a NUL', 'i\0'],
  ['half of a surrogate pair', '\ud800'],
  ['an empty text', ''],
  ['a boolean', true],
  ['a list', ['i']],
])('takes %s for no id', (_, interactionId) => {
  expect(of('cxone', { interactionId, eventType: 't' })).toEqual({ kind: 'malformed' })
  const nice = { interactionId: 'i', dataActionId: interactionId, updatedTimestamp: 'now' }
  expect(of('nice', nice)).toEqual({ kind: 'malformed' })
})

it('takes the hash of the body into the key of a data action', () => {
  const body = { id: 'i', type: 't' }
  const key = keyOf('cxone-dataaction', `i:t:${sha256(JSON.stringify(body))}`)
  expect(of('cxone-dataaction', body)).toMatchObject({ kind: 'event', key })
})

it('knows what is malformed, and what it does not know', () => {
  expect(of('cxone', '{"broken":"1"')).toEqual({ kind: 'malformed' })
  expect(of('nice', { interactionId: 'i' })).toEqual({ kind: 'malformed' })
  expect(of('github', {})).toEqual({ kind: 'unknown' })
})
