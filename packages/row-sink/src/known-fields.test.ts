import type { InteractionEvent, ObservedShape } from '@weir/contracts'
import type { KafkaSettings } from '@weir/kafka'
import { createLogger } from '@weir/runtime'
import { expect, it } from 'vitest'
import { KnownFields } from './known-fields.ts'

const TYPE = { source: 'cxone-dataaction', eventType: 'dataaction.completed' }
const SETTINGS: KafkaSettings = {
  kafkaBrokers: [],
  kafkaSsl: false,
  topicPrefix: '',
  topicPartitions: 1,
  kafkaMechanism: 'plain',
  groupSessionMs: 10_000,
  transactionTimeoutMs: 10_000,
}

const shape = (fingerprint: string, version: number, fields: readonly string[]): Buffer =>
  Buffer.from(
    JSON.stringify({
      ...TYPE,
      fingerprint,
      version,
      fields,
      firstSeenAt: 1,
      paths: fields.map((name) => `/${JSON.stringify(name)}:string`),
    } satisfies Partial<ObservedShape>),
  )
const event = (schemaVersion: string, attributes: Record<string, string> = {}, eventType = TYPE.eventType) =>
  ({ ...TYPE, eventType, schemaVersion, attributes }) as unknown as InteractionEvent
const open = (...shapes: Buffer[]): KnownFields => {
  const known = new KnownFields(SETTINGS, 'topic', createLogger('test', 'silent'))
  for (const value of shapes) known.add(value)
  return known
}

it('S3-04 adds a null for each field of later shapes of the event type, and replaces no value', () => {
  const known = open(
    shape('first', 2, ['id', 'type']),
    shape('second', 3, ['agent_skills', 'id', 'type']),
    shape('third', 4, ['agent_skills', 'id', 'interaction_metadata', 'type']),
  )
  expect(known.fill(event('first')).attributes).toEqual({
    agent_skills: 'null',
    interaction_metadata: 'null',
  })
  expect(known.fill(event('second', { agent_skills: '["Sales"]' })).attributes).toEqual({
    agent_skills: '["Sales"]',
    interaction_metadata: 'null',
  })
  const newest = event('third', { agent_skills: '[]' })
  expect(known.fill(newest)).toEqual({ ...newest, schemaVersionNumber: 4 })
})

it('S3-04 adds the number of the shape to a row once the shape has one', () => {
  const known = open(shape('first', 2, ['id']), shape('second', 3, ['id', 'new']))
  expect(known.fill(event('first'))).toMatchObject({ schemaVersion: 'first', schemaVersionNumber: 2 })
  expect(known.fill(event('second'))).toMatchObject({ schemaVersionNumber: 3 })
  expect(known.fill(event('not numbered yet'))).not.toHaveProperty('schemaVersionNumber')
})

it('does not fill a shape whose fields are not known', () => {
  const known = open(shape('first', 2, ['id', 'new']))
  known.add(
    Buffer.from(
      JSON.stringify({ ...TYPE, fingerprint: 'wide', version: 3, fields: [], paths: [], firstSeenAt: 1 }),
    ),
  )
  const { schemaVersionNumber, attributes } = known.fill(event('wide'))
  expect([schemaVersionNumber, attributes]).toEqual([3, {}])
})

it('knows at most 200 fields of an event type', () => {
  const names = Array.from({ length: 150 }, (_, i) => `a-${i}`)
  const more = Array.from({ length: 150 }, (_, i) => `b-${i}`)
  const known = open(shape('first', 2, ['id']), shape('second', 3, names), shape('third', 4, more))
  expect(Object.keys(known.fill(event('first')).attributes)).toEqual([...names, ...more.slice(0, 49)])
})

it('S3-04 reports growth when a shape appears, but not for an unnumbered shape', () => {
  const known = open(shape('first', 2, ['id']))
  expect(known.fill(event('first')).attributes).toEqual({})
  known.add(shape('second', 3, ['id', 'new']))
  expect(known.fill(event('first')).attributes).toEqual({ new: 'null' })
  expect(known.fill(event('not numbered yet')).attributes).toEqual({})
  expect(known.fill(event('first', {}, 'another type')).attributes).toEqual({})
  known.add(shape('others', 0, ['random']))
  expect(known.fill(event('first')).attributes).toEqual({ new: 'null' })
})
