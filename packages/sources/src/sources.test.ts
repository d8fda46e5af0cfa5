import { parseExactJson } from '@weir/exact-json'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { PRESETS, type JsonValue, type PresetName, type RequestFacts } from './index.ts'

const facts = (headers: Readonly<Record<string, string>> = {}): RequestFacts => ({
  bodyHash: () => 'hash',
  header: (name) => headers[name],
})

const identify = (name: PresetName, payload: JsonValue, headers?: Readonly<Record<string, string>>) =>
  PRESETS[name].identify(payload, facts(headers))

const lean = {
  interactionId: 'i-1',
  eventType: 'CALL_CONNECTED',
  timestamp: '2024-05-11T12:00:00.000Z',
  agentId: 'a',
  skill: 'Sales',
  direction: 'inbound',
  sequenceNumber: 1,
}

it('reads a number in quotes as the same sequence number', () => {
  const [number, text] = [lean, { ...lean, sequenceNumber: '1' }].map((event) => identify('cxone', event))
  expect(number).toEqual(text)
  expect(number).toMatchObject({ identity: { dedupKey: 'i-1:CALL_CONNECTED:1', sequence: 1n } })
})

it('falls back to the time, then to the body, and names the missing part', () => {
  const { sequenceNumber: _, ...untimed } = lean
  expect(identify('cxone', untimed)).toMatchObject({ identity: { dedupKeyFallback: 'sequenceNumber' } })
  expect(identify('cxone', { interactionId: 'i-1', eventType: 'x' })).toMatchObject({
    identity: { dedupKey: 'i-1:x:hash', dedupKeyFallback: 'timestamp' },
  })
})

it('reads the type and time of a routed event from the top and its id from data', () => {
  const routed = {
    webhookId: 'w',
    eventType: 'interaction.created',
    timestamp: 'T1',
    data: { id: 'sim-1', channelType: 'voice' },
  }
  expect(identify('cxone', routed)).toMatchObject({
    identity: { interactionId: 'sim-1', dedupKey: 'sim-1:interaction.created:T1' },
  })
})

it.each([
  ['sessionId', undefined, 'Missing required field: sessionId'],
  ['timestamp', '1715428800000', 'Type mismatch for timestamp. Expected number, got string'],
])('responds to Cognigy as it expects when %s is %s', (field, value, answer) => {
  const whole = { conversationId: 'c', sessionId: 's', intent: 'i', timestamp: 1, userId: 'u' }
  const kept = Object.entries(whole).filter(([name]) => name !== field)
  const event = Object.fromEntries<JsonValue>([
    ...kept,
    ...(value === undefined ? [] : [[field, value] as const]),
  ])
  expect(identify('cognigy', event)).toMatchObject({ problem: { answer } })
})

it('keeps a zero and an empty text of Cognigy', () => {
  const event = { conversationId: 'c', sessionId: '', intent: '', timestamp: 0, userId: '' }
  expect(identify('cognigy', event).kind).toBe('identified')
})

it('gives parts that contain the separator different keys', () => {
  const key = (interactionId: string, dataActionId: string) => {
    const result = identify('nice', { interactionId, dataActionId, updatedTimestamp: 't' })
    return result.kind === 'identified' ? result.identity.dedupKey : ''
  }
  expect(key('a:b', 'c')).not.toBe(key('a', 'b:c'))
})

it('gives different Cognigy events different keys, and accepts no id that a store would change', () => {
  const key = (conversationId: string, sessionId: string) => {
    const event = { conversationId, sessionId, intent: 'i', timestamp: 1, userId: 'u' }
    const result = identify('cognigy', event)
    return result.kind === 'identified' ? result.identity.dedupKey : result.problem.reason
  }
  expect(key('a', '1:b')).not.toBe(key('a:1', 'b'))
  expect(key('\ud800', 's')).toBe('wrong_type')
  expect(key('a\0b', 's')).toBe('wrong_type')
})

it.each<[PresetName, JsonValue, Record<string, string>, object]>([
  [
    'standard-webhooks',
    { type: 'user.created', data: { id: 'u-1' } },
    { 'webhook-id': 'msg_1' },
    { interactionId: 'u-1', eventType: 'user.created', dedupKey: 'msg_1' },
  ],
  ['standard-webhooks', [], { 'webhook-id': 'msg_1' }, { interactionId: 'msg_1', eventType: 'event' }],
  [
    'github',
    { repository: { full_name: 'a/b' } },
    { 'x-github-event': 'push', 'x-github-delivery': 'd-1' },
    { interactionId: 'a/b', eventType: 'push', dedupKey: 'd-1' },
  ],
  ['github', {}, {}, { interactionId: 'hash', dedupKey: 'hash', dedupKeyFallback: 'x-github-delivery' }],
  [
    'stripe',
    { id: 'evt_1', type: 'charge.succeeded', data: { object: { id: 'ch_1' } } },
    {},
    { interactionId: 'ch_1', eventType: 'charge.succeeded', dedupKey: 'evt_1' },
  ],
  [
    'slack',
    { type: 'event_callback', event_id: 'Ev1', event: { type: 'message', channel: 'C1' } },
    {},
    { interactionId: 'C1', eventType: 'message', dedupKey: 'Ev1' },
  ],
  [
    'shopify',
    { admin_graphql_api_id: 'gid://shopify/Order/1' },
    { 'x-shopify-topic': 'orders/create', 'x-shopify-webhook-id': 'w-1', 'x-shopify-event-id': 'e-1' },
    { interactionId: 'gid://shopify/Order/1', eventType: 'orders/create', dedupKey: 'orders/create:e-1' },
  ],
  [
    'shopify',
    { id: 7 },
    { 'x-shopify-topic': 'orders/create', 'x-shopify-webhook-id': 'w-1' },
    { interactionId: '7', dedupKey: 'orders/create:w-1', dedupKeyFallback: 'x-shopify-event-id' },
  ],
  [
    'nice-expert',
    null,
    { 'x-nexus-delivery-id': 'd-1', 'x-nexus-event-type': 'Page_Create' },
    { interactionId: 'hash', eventType: 'Page_Create', dedupKey: 'hash' },
  ],
])('reads the identity of an event of %s', (name, payload, headers, identity) => {
  expect(identify(name, payload, headers)).toMatchObject({ identity })
})

it('identifies any JSON of any preset or names its problem', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(...Object.values(PRESETS)), (payload, source) => {
      const result = source.identify(payload as JsonValue, facts())
      if (result.kind === 'identified') {
        expect(result.identity.dedupKey).not.toContain('undefined')
        expect(result.identity.interactionId).not.toBe('')
      } else {
        expect(result.problem.detail).not.toBe('')
      }
    }),
  )
})

it('compares ids by their digits, so numbers with the same double are two interactions', () => {
  const [n, m] = ['1524831183200260097', '1524831183200260101'].map((id) => {
    const result = identify(
      'cxone',
      parseExactJson(`{"interactionId":${id},"eventType":"E","sequenceNumber":1}`),
    )
    expect(result).toMatchObject({ identity: { interactionId: id, dedupKey: `${id}:E:1` } })
    return result
  })
  expect(n).not.toEqual(m)
})

it('accepts a time with any number of digits as a number', () => {
  const bot = (timestamp: string) =>
    identify(
      'cognigy',
      parseExactJson(
        `{"conversationId":"c","sessionId":"s","intent":"i","userId":"u","timestamp":${timestamp}}`,
      ),
    )
  const results = ['1715428800000', '1715428800000.5', '1715428800000123456', '1715428800000123457'].map(bot)
  expect(results.map(({ kind }) => kind)).toEqual(Array(4).fill('identified'))
  expect(new Set(results.map((one) => JSON.stringify(one))).size).toBe(4)
})

it('reads a sequence number of up to 64 bits exactly, in any notation', () => {
  const sequenceIn = (written: string) => {
    const result = identify(
      'cxone',
      parseExactJson(`{"interactionId":"i","eventType":"e","timestamp":"t","sequenceNumber":${written}}`),
    )
    return result.kind === 'identified' ? result.identity : undefined
  }
  for (const digits of ['0', '7', '9007199254740991', '9007199254740993', '9223372036854775807']) {
    const identity = { sequence: BigInt(digits), dedupKey: `i:e:${digits}` }
    for (const written of [digits, `"${digits}"`]) expect(sequenceIn(written)).toMatchObject(identity)
  }
  for (const written of ['1000', '1e3', '1000.0', '1.0E+3', '"01000"']) {
    expect(sequenceIn(written)).toMatchObject({ sequence: 1_000n })
  }
  for (const none of ['9223372036854775808', '1e19', '-1', '1.5', '1.00000000000000000001', '"-1"', '" 1"']) {
    expect(sequenceIn(none)).toMatchObject({ dedupKeyFallback: 'sequenceNumber' })
    expect(sequenceIn(none)?.sequence).toBeUndefined()
  }
})

it('refuses a sequence number that is zero only as a double', () => {
  const sequence = (text: string) => {
    const body = parseExactJson(`{"interactionId":"i","eventType":"E","sequenceNumber":${text}}`)
    const result = identify('cxone', body)
    return result.kind === 'identified' ? result.identity.sequence : undefined
  }
  for (const zero of ['0', '-0', '0.0', '0e5', '-0E-9']) expect(sequence(zero)).toBe(0n)
  for (const none of ['1e-400', '0.1e-999', '-1e-400']) expect(sequence(none)).toBeUndefined()
})
