import { encodeReceivedWebhook, entityKeyOf, eventKeyOf, type WireRecord } from '@weir/contracts'
import type { InputRecord } from '@weir/kafka'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { fingerprintOf } from './fingerprint.ts'
import { normalizerPipeline } from './pipeline.ts'

const input = ({ key, value, headers }: WireRecord): InputRecord => ({
  ...{ topic: 't', partition: 0, offset: 0n, timestamp: 0, key, value, headers },
})

const webhook = (source: string, body: unknown, raw = Buffer.from(JSON.stringify(body))): InputRecord =>
  input(
    encodeReceivedWebhook({
      ...{ source, raw, interactionId: 'i-1', entityKey: entityKeyOf(source, 'i-1'), dedupKey: 'k' },
      ...{ eventKey: eventKeyOf(source, 'k'), bodyHash: Buffer.alloc(8), eventType: 'type', receivedAt: 5 },
    }),
  )

const normalize = (source: string, body: unknown) => {
  const outcome = normalizerPipeline.run(webhook(source, body))
  if (outcome.kind !== 'ok') throw new Error(`unexpected ${outcome.kind}`)
  return outcome.value
}

const routed = (data: object) => ({
  ...{ webhookId: 'w', eventType: 'interaction.created', timestamp: '2024-05-11T12:00:00.000Z' },
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
    ...{
      agentId: 'a',
      skill: 's',
      occurredAt: null,
      occurredAtOriginal: 'no time',
      partsMissing: ['direction'],
    },
  })
  const cognigy = {
    conversationId: 'c',
    sessionId: 's',
    intent: 'book',
    timestamp: 1_715_428_800_000,
    userId: 'u',
  }
  expect(normalize('cognigy', cognigy)).toMatchObject({
    ...{
      intent: 'book',
      sessionId: 's',
      userId: 'u',
      occurredAt: 1_715_428_800_000,
      channel: 'bot',
      attributes: {},
    },
  })
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
    ...{ dataActionId: 'd', attributes: { payload: '{"k":"v"}' }, occurredAt: Date.UTC(2024, 4, 11, 12) },
  })
})

it('names what is missing and never throws, whatever a payload holds', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.jsonValue()),
      fc.constantFrom('cxone', 'nice'),
      (body, source) => {
        const record = webhook(source, body)
        const outcome = normalizerPipeline.run(record)
        expect(outcome.kind).toBe('ok')
        if (outcome.kind === 'ok') expect(outcome.value.raw).toEqual(record.value)
      },
    ),
  )
  expect(normalize('cxone', routed({ channelType: 'voice' })).partsMissing).toEqual([
    'customerIdentifier',
    'queue',
  ])
})

it('gives a dead letter for what is not a webhook', () => {
  const record = { ...webhook('cxone', {}), headers: {} }
  expect(normalizerPipeline.run(record)).toMatchObject({
    kind: 'deadLetter',
    reason: 'record_invalid',
    step: 'readWebhook',
  })
  const text = webhook('cxone', undefined, Buffer.from('{'))
  expect(normalizerPipeline.run(text)).toMatchObject({ kind: 'deadLetter', reason: 'invalid_json' })
})

it('fingerprints the shape, whatever the values and the order', () => {
  expect(fingerprintOf({ a: 1, b: { c: 'x' } })).toBe(fingerprintOf({ b: { c: 'y' }, a: 2 }))
  expect(fingerprintOf({ a: 1 })).not.toBe(fingerprintOf({ a: '1' }))
  expect(fingerprintOf({ a: { b: 1 } })).not.toBe(fingerprintOf({ 'a/"b"': 1 }))
})
