import {
  encodeReceivedWebhook,
  entityKeyOf,
  eventKeyOf,
  EMPTY_SHAPE_VERSION,
  type InteractionEvent,
} from '@weir/contracts'
import { describe, expect, it } from 'vitest'
import { readMappings } from './mappings/sources-file.ts'
import { normalizerPipeline } from './pipeline.ts'
import { SchemaVersions } from './schemas/schema-versions.ts'
import { computeShape } from './schemas/shape.ts'

const pipeline = normalizerPipeline(readMappings([], undefined), () => false)

const normalize = (source: string, body: object): Partial<InteractionEvent> => {
  const outcome = pipeline.run({
    topic: 't',
    partition: 0,
    offset: 0n,
    timestamp: 0,
    ...encodeReceivedWebhook({
      source,
      interactionId: 'sim-1',
      entityKey: entityKeyOf(source, 'sim-1'),
      dedupKey: 'k',
      eventKey: eventKeyOf(source, 'k'),
      bodyHash: Buffer.alloc(8),
      eventType: 'type',
      receivedAt: 5,
      raw: Buffer.from(JSON.stringify(body)),
    }),
  })
  if (outcome.kind !== 'ok') throw new TypeError(`unexpected ${outcome.kind}`)
  return outcome.value.event
}
const routed = (data: object) =>
  normalize('cxone', { timestamp: '2024-05-11T12:00:00.000Z', data: { id: 'sim-1', ...data } })

describe('S2 Node router', () => {
  it('S2-04 finds the parts of voice, chat and SMS events by their paths', () => {
    const direction = 'inbound'
    const customer = { phoneNumber: '+15550001001', email: 'a@b' }
    const parts = { customer, direction, queue: { name: 'Q' }, skill: { name: 'S' }, message: { body: 'M' } }
    expect(routed({ channelType: 'voice', ...parts })).toMatchObject({
      customerIdentifier: '+15550001001',
      customerType: 'phone',
      queue: 'Q',
      direction,
    })
    expect(routed({ channelType: 'chat', ...parts })).toMatchObject({
      customerIdentifier: 'a@b',
      customerType: 'email',
      skill: 'S',
      channel: 'chat',
    })
    expect(routed({ channelType: 'sms', ...parts })).toMatchObject({
      customerIdentifier: '+15550001001',
      customerType: 'phone',
      message: 'M',
      direction,
    })
  })

  it('S2-04 follows the known drift of the phone number to the participants', () => {
    const participants = [{ phoneNumber: '+1666' }]
    expect(routed({ channelType: 'voice', participants })).toMatchObject({ customerIdentifier: '+1666' })
  })

  it('S2-04 gives null for missing parts, and never throws', () => {
    for (const data of [{}, { customer: null }, { customer: [] }, { customer: { phoneNumber: {} } }]) {
      const event = routed({ channelType: 'voice', ...data })
      expect(event).toMatchObject({ customerIdentifier: null, customerType: null, queue: null })
      expect(event.partsMissing).toContain('customerIdentifier')
    }
  })

  it('S2-05 normalises interaction, time, customer and context, and takes the time of the provider', () => {
    expect(
      routed({ channelType: 'voice', customer: { phoneNumber: '+1' }, queue: { name: 'Q' } }),
    ).toMatchObject({
      interactionId: 'sim-1',
      occurredAt: Date.UTC(2024, 4, 11, 12),
      customerIdentifier: '+1',
      occurredAtOriginal: '2024-05-11T12:00:00.000Z',
      channel: 'voice',
      queue: 'Q',
    })
  })

  it('S2-05 keeps the raw body of an event with an unknown channel', () => {
    const event = routed({ channelType: 'fax', pages: 3 })
    expect(event).toMatchObject({ channel: 'fax', attributes: { 'data.pages': '3' } })
    expect(JSON.parse(event.raw!.toString())).toMatchObject({ data: { channelType: 'fax', pages: 3 } })
  })
})

describe('S3 schema evolution', () => {
  const seen = (body: object) => {
    const { fingerprint, paths, fields } = computeShape(body)
    const type = { source: 'cxone-dataaction', eventType: 'dataaction.completed' }
    return { ...type, fingerprint, paths, fields, count: 1, firstAt: 1, lastAt: 1 }
  }
  const first = { id: 'evt-1', type: 'dataaction.completed' }
  const drifted = { ...first, agent_skills: ['Sales'] }
  const drifted2 = { ...drifted, interaction_metadata: { priority: 1 } }

  it('S3-04 begins with version 1, which has no fields; each new top-level key makes the next version, permanently', () => {
    const versions = new SchemaVersions()
    const number = (body: object) => {
      const changed = versions.fold([seen(body)])
      versions.apply(changed)
      return changed.map(({ version }) => version)
    }
    expect(EMPTY_SHAPE_VERSION).toBe(1)
    expect([first, drifted, first, drifted2, drifted].map(number)).toEqual([[2], [3], [2], [4], [3]])
  })

  it('S3-04 keeps new fields unchanged, and the event names its shape', () => {
    const event = normalize('cxone-dataaction', drifted2)
    expect(event.attributes).toEqual({ agent_skills: '["Sales"]', interaction_metadata: '{"priority":1}' })
    expect(event.schemaVersion).toBe(computeShape(drifted2).fingerprint)
  })

  it('S3-04 numbers shapes only by the log, and identifies a shape only by paths and types', () => {
    const together = new SchemaVersions()
    const all = together.fold([seen(first), seen(drifted), seen(first)])
    expect(all.map(({ version }) => version).sort()).toEqual([2, 3])
    expect(computeShape({ type: 't', id: 'i' }).fingerprint).toBe(
      computeShape({ id: 'j', type: 'u' }).fingerprint,
    )
  })
})
