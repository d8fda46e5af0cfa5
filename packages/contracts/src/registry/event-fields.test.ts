import { createHash } from 'node:crypto'
import { expect, expectTypeOf, it } from 'vitest'
import {
  avroSchemaOf,
  EVENT_FIELDS,
  eventFields,
  INTERACTION_EVENT_SCHEMA,
  type InteractionEvent,
} from './event-fields.ts'

/** The schema of version 0.1.0: how many fields, how many bytes, and their SHA-256. The registry holds these bytes. */
const RELEASED = {
  fields: 30,
  bytes: 1_722,
  sha256: 'e003111dfdc262bdcf8332774e20d10d25e440ccfb53a994a2ded6477c4351a1',
}
const released = (fields: typeof eventFields) => {
  const json = JSON.stringify(avroSchemaOf(fields))
  return {
    fields: fields.length,
    bytes: json.length,
    sha256: createHash('sha256').update(json).digest('hex'),
  }
}

it('the released fields keep every byte of their Avro schema, and new fields come after them and are optional', () => {
  expect(released(eventFields.slice(0, RELEASED.fields))).toEqual(RELEASED)
  const added = eventFields.slice(RELEASED.fields)
  expect(added.filter(([, { isOptional }]) => !isOptional)).toEqual([])
  expect(INTERACTION_EVENT_SCHEMA).toEqual(avroSchemaOf(eventFields))
})

it('a field that is renamed, moved, removed or given another type changes those bytes', () => {
  const renamed = eventFields.map(([name, field]) => [name === 'queue' ? 'skill' : name, field] as const)
  const retyped = eventFields.map(
    ([name, field]) => [name, name === 'intent' ? EVENT_FIELDS.source : field] as const,
  )
  for (const fields of [eventFields.slice(1), renamed, retyped, eventFields.toReversed()]) {
    expect(released(fields)).not.toEqual(RELEASED)
  }
})

it('the type of the event follows from its fields', () => {
  expectTypeOf<InteractionEvent['eventKey']>().toEqualTypeOf<string>()
  expectTypeOf<InteractionEvent['queue']>().toEqualTypeOf<string | null>()
  expectTypeOf<InteractionEvent['sequence']>().toEqualTypeOf<bigint | null>()
  expectTypeOf<InteractionEvent['receivedAt']>().toEqualTypeOf<number>()
  expectTypeOf<InteractionEvent['occurredAt']>().toEqualTypeOf<number | null>()
  expectTypeOf<InteractionEvent['attributes']>().toEqualTypeOf<Readonly<Record<string, string>>>()
  expectTypeOf<InteractionEvent['partsMissing']>().toEqualTypeOf<readonly string[]>()
  expectTypeOf<InteractionEvent['raw']>().toEqualTypeOf<Buffer>()
})

it('each field has its meaning in words', () => {
  for (const { meaning } of Object.values(EVENT_FIELDS)) expect(meaning).toMatch(/^[A-Z].+\.$/)
})
