import { encodeReceivedWebhook, entityKeyOf, eventKeyOf, type WireRecord } from '@weir/contracts'
import type { InputRecord } from '@weir/kafka'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { loadMappings, type MappingSet } from './mappings/load-mappings.ts'
import { normalizerPipeline as build } from './pipeline.ts'

import { computeShape } from './schemas/shape.ts'

const normalizerPipeline = build(loadMappings([]), () => false)

const input = ({ key, value, headers }: WireRecord): InputRecord => ({
  topic: 't',
  partition: 0,
  offset: 0n,
  timestamp: 0,
  key,
  value,
  headers,
})

const webhook = (source: string, body: unknown, raw = Buffer.from(JSON.stringify(body))): InputRecord =>
  input(
    encodeReceivedWebhook({
      source,
      raw,
      interactionId: 'i-1',
      entityKey: entityKeyOf(source, 'i-1'),
      dedupKey: 'k',
      eventKey: eventKeyOf(source, 'k'),
      bodyHash: Buffer.alloc(8),
      eventType: 'type',
      receivedAt: 5,
    }),
  )

const normalize = (source: string, body: unknown) => {
  const outcome = normalizerPipeline.run(webhook(source, body))
  if (outcome.kind !== 'ok') throw new Error(`unexpected ${outcome.kind}`)
  return outcome.value.event
}

const routed = (data: object) => ({
  webhookId: 'w',
  eventType: 'interaction.created',
  timestamp: '2024-05-11T12:00:00.000Z',
  data: { id: 'sim-1', direction: 'inbound', ...data },
})

it.each([
  [
    'voice',
    { channelType: 'voice', customer: { phoneNumber: '+1555' }, queue: { name: 'Sales' } },
    {
      channel: 'voice',
      customerIdentifier: '+1555',
      customerType: 'phone',
      queue: 'Sales',
      direction: 'inbound',
    },
  ],
  [
    'voice with the drifted phone number',
    { channelType: 'voice', participants: [{ phoneNumber: '+1666' }], queue: { name: 'Sales' } },
    { customerIdentifier: '+1666', customerType: 'phone', partsMissing: [] },
  ],
  [
    'chat',
    { channelType: 'chat', customer: { email: 'a@b' }, skill: { name: 'Care' } },
    { channel: 'chat', customerIdentifier: 'a@b', customerType: 'email', skill: 'Care' },
  ],
  [
    'sms',
    { channelType: 'sms', customer: { phoneNumber: '+1777' }, message: { body: 'hello' } },
    { channel: 'sms', customerIdentifier: '+1777', message: 'hello' },
  ],
  ['a channel that nobody knows', { channelType: 'fax' }, { channel: 'fax', direction: 'inbound' }],
])('maps %s', (_, data, expected) => {
  expect(normalize('cxone', routed(data))).toMatchObject({
    ...expected,
    occurredAt: Date.UTC(2024, 4, 11, 12),
  })
})

it('maps the others', () => {
  const lean = {
    interactionId: 'i-1',
    eventType: 'CALL_CONNECTED',
    timestamp: 'no time',
    agentId: 'a',
    skill: 's',
  }
  expect(normalize('cxone', lean)).toMatchObject({
    agentId: 'a',
    skill: 's',
    occurredAt: null,
    occurredAtOriginal: 'no time',
    partsMissing: ['direction'],
  })
  const cognigy = {
    conversationId: 'c',
    sessionId: 's',
    intent: 'book',
    timestamp: 1_715_428_800_000,
    userId: 'u',
  }
  const intent = normalize('cognigy', cognigy)
  expect(intent).toMatchObject({
    intent: 'book',
    sessionId: 's',
    userId: 'u',
    occurredAt: 1_715_428_800_000,
    channel: 'bot',
  })
  expect(intent.attributes).toEqual({})
  expect(normalize('cxone-dataaction', { id: 'e', type: 't', agent_skills: ['x'] })).toMatchObject({
    attributes: { agent_skills: '["x"]' },
  })
  const nice = {
    interactionId: 'i-1',
    dataActionId: 'd',
    updatedTimestamp: '2024-05-11T12:00:00Z',
    payload: { k: 'v' },
  }
  expect(normalize('nice', nice)).toMatchObject({
    dataActionId: 'd',
    attributes: { payload: '{"k":"v"}' },
    occurredAt: Date.UTC(2024, 4, 11, 12),
  })
})

it('lists missing parts and never throws, for any payload', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.jsonValue()),
      fc.constantFrom('cxone', 'nice'),
      (body, source) => {
        const record = webhook(source, body)
        const outcome = normalizerPipeline.run(record)
        expect(outcome.kind).toBe('ok')
        if (outcome.kind === 'ok') expect(outcome.value.event.raw).toEqual(record.value)
      },
    ),
  )
  expect(normalize('cxone', routed({ channelType: 'voice' })).partsMissing).toEqual([
    'customerIdentifier',
    'queue',
  ])
})

it('gives a dead letter for a record that is not a webhook', () => {
  const record = { ...webhook('cxone', {}), headers: {} }
  expect(normalizerPipeline.run(record)).toMatchObject({
    kind: 'deadLetter',
    reason: 'record_invalid',
    step: 'readWebhook',
  })
  const text = webhook('cxone', undefined, Buffer.from('{'))
  expect(normalizerPipeline.run(text)).toMatchObject({ kind: 'deadLetter', reason: 'invalid_json' })
})

const withRules = (
  rules: MappingSet['rules'],
  isApproved: (source: string, fingerprint: string) => boolean,
) => build({ ...loadMappings([]), rules }, isApproved)

const reasonOf = (pipeline: ReturnType<typeof build>, source: string, body: unknown) => {
  const outcome = pipeline.run(webhook(source, body))
  return outcome.kind === 'deadLetter' ? outcome.reason : outcome.kind
}

it('holds an event with a rejected unknown field until its shape is approved', () => {
  const approved = new Set<string>()
  const pipeline = withRules({ cognigy: { unknownFields: 'reject' } }, (_, fingerprint) =>
    approved.has(fingerprint),
  )
  const known = { conversationId: 'c', sessionId: 's', intent: 'i', timestamp: 1, userId: 'u' }
  const unknown = { ...known, extra: 1 }
  expect(reasonOf(pipeline, 'cognigy', known)).toBe('ok')
  expect(reasonOf(pipeline, 'cognigy', unknown)).toBe('unknown_field')
  approved.add(computeShape(unknown).fingerprint)
  expect(reasonOf(pipeline, 'cognigy', unknown)).toBe('ok')
  expect(reasonOf(pipeline, 'cognigy', { ...unknown, extra: 'another type' })).toBe('unknown_field')
})

it('leaves out unknown fields of a source that ignores them', () => {
  const pipeline = withRules({ 'cxone-dataaction': { unknownFields: 'ignore' } }, () => false)
  const outcome = pipeline.run(webhook('cxone-dataaction', { id: 'e', type: 't', extra: 1 }))
  expect(outcome.kind === 'ok' && outcome.value.event.attributes).toEqual({})
})

it('S0-08 records the declared schema version, and gives a dead letter for an unsupported one', () => {
  const pipeline = withRules({ nice: { schemaVersions: ['1', '2'] } }, () => false)
  const body = { interactionId: 'i', dataActionId: 'd', updatedTimestamp: 't' }
  expect(pipeline.run(webhook('nice', { ...body, schemaVersion: 2 }))).toMatchObject({
    value: { event: { declaredSchemaVersion: '2' } },
  })
  expect(reasonOf(pipeline, 'nice', { ...body, schemaVersion: 3 })).toBe('unsupported_schema_version')
  expect(reasonOf(pipeline, 'nice', body)).toBe('ok')
})

it('enforces the JSON Schema of a source, and names the rule but not the value', () => {
  const jsonSchema = {
    type: 'object',
    properties: { id: { type: 'string', maxLength: 3 } },
    required: ['id'],
  }
  const pipeline = withRules({ 'cxone-dataaction': { jsonSchema } }, () => false)
  expect(reasonOf(pipeline, 'cxone-dataaction', { id: 'abc', type: 't' })).toBe('ok')
  const outcome = pipeline.run(webhook('cxone-dataaction', { id: 'a secret', type: 't' }))
  expect(outcome).toMatchObject({ kind: 'deadLetter', reason: 'schema_violation' })
  expect(JSON.stringify(outcome)).toContain('#/properties/id/maxLength')
  expect(JSON.stringify(outcome)).not.toContain('a secret')
})

it('refuses a JSON Schema with which a payload could consume unbounded time', () => {
  const jsonSchema = { type: 'object', properties: { id: { type: 'string', pattern: '^(a+)+$' } } }
  expect(() => withRules({ cxone: { jsonSchema } }, () => false)).toThrow(/maxLength/)
})

it('gives a dead letter for headers that the encoder cannot write', () => {
  const record = webhook('nice', {})
  const headers = { ...record.headers, 'received-at': Buffer.from('soon') }
  expect(normalizerPipeline.run({ ...record, headers })).toMatchObject({ reason: 'record_invalid' })
})

const normalizeText = (source: string, body: string) => {
  const outcome = normalizerPipeline.run({ ...webhook(source, {}), value: Buffer.from(body) })
  if (outcome.kind !== 'ok') throw new Error(outcome.kind)
  return outcome.value.event
}

it('keeps every digit of numbers in parts and attributes', () => {
  const event = normalizeText(
    'cxone',
    '{"interactionId":1,"eventType":"E","agentId":1524831183200260097,"skill":10.00,"amount":10.00,"deep":{"n":1524831183200260101}}',
  )
  expect(event).toMatchObject({
    agentId: '1524831183200260097',
    skill: '10.00',
    attributes: { amount: '10.00', deep: '{"n":1524831183200260101}' },
  })
})

it('keeps fields distinct whose names a database would store alike', () => {
  const names = ['x\\ufffd', 'x\\ud800', 'x\\udc00', 'x\\u0000', 'y\\u0000', 'y\\ud800', '[\\"z']
  const body = `{"interactionId":"i","eventType":"E",${names.map((name, at) => `"${name}":${at}`).join(',')}}`
  expect(normalizeText('cxone', body)).toMatchObject({
    attributes: {
      'x\ufffd': '0',
      [String.raw`["x\ud800"]`]: '1',
      [String.raw`["x\udc00"]`]: '2',
      [String.raw`["x\u0000"]`]: '3',
      'y\0': '4',
      [String.raw`["y\ud800"]`]: '5',
      [String.raw`["[\"z"]`]: '6',
    },
  })
})

it('writes a lone surrogate as U+FFFD, also in names', () => {
  const body = String.raw`{"interactionId":"i","eventType":"E","agentId":"a\ud800","x\udc00":"\\ud800 \ud83d\ude00 \udbff"}`
  expect(normalizeText('cxone', body)).toMatchObject({
    agentId: 'a\ufffd',
    attributes: { 'x\ufffd': String.raw`"\\ud800 😀 \ufffd"` },
  })
})

it('distinguishes a name with a dot from a nested field of that path', () => {
  const body = { ...routed({ channelType: 'voice', region: 'nested' }), 'data.region': 'flat', 'a.b': 1 }
  expect(normalize('cxone', body).attributes).toEqual({
    '["data.region"]': '"flat"',
    'data.region': '"nested"',
    'a.b': '1',
  })
  const both = { ...body, '["data.region"]': 'named so' }
  expect(normalize('cxone', both).attributes).toMatchObject({
    '["data.region"]': '"flat"',
    [String.raw`["[\"data.region\"]"]`]: '"named so"',
  })
})

it('keeps the precision of the time that was sent', () => {
  const at = (timestamp: string) =>
    normalize('cxone', { interactionId: 'i', eventType: 'E', sequenceNumber: 1, timestamp })
  expect(at('2024-05-11T12:00:00.1239999Z')).toMatchObject({
    occurredAt: Date.UTC(2024, 4, 11, 12, 0, 0, 123),
    occurredAtNanos: 999_900,
  })
  for (const text of ['9999-12-31T23:59:59.9999999-05:00', '0001-01-01T00:00:00', '2024-02-30']) {
    expect(at(text)).toMatchObject({ occurredAt: null, occurredAtNanos: null, occurredAtOriginal: text })
  }
})

it('keeps new nested fields of a routed event as attributes', () => {
  const data = { channelType: 'voice', customer: { phoneNumber: '+1' }, queue: { name: 'S' }, sentiment: 0.5 }
  expect(normalize('cxone', routed(data)).attributes).toEqual({ 'data.sentiment': '0.5' })
})

it('limits the attributes of a payload with thousands of fields, and counts those left out', () => {
  const body = Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`field-${i}`, 'x'.repeat(50)]))
  const outcome = normalizerPipeline.run(webhook('cxone-dataaction', { id: 'e', type: 't', ...body }))
  if (outcome.kind !== 'ok') throw new Error('not ok')
  const { event, leftOut } = outcome.value
  expect(Object.keys(event.attributes)).toHaveLength(200)
  expect(leftOut).toBe(4_800)
})
