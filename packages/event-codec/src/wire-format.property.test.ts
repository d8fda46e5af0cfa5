import registryClient from '@kafkajs/confluent-schema-registry'
import { INTERACTION_EVENT_SCHEMA, type InteractionEvent } from '@weir/contracts'
import avsc from 'avsc'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { eventWriter } from './event-codec.ts'
import { LONG_TYPE } from './long-type.ts'

const type = avsc.Type.forSchema(INTERACTION_EVENT_SCHEMA as unknown as avsc.Schema, {
  typeHook: (one: unknown) => (one === 'long' ? LONG_TYPE : undefined),
})

const text = fc.string({ unit: 'grapheme', maxLength: 40 })
const optional = fc.option(text)
const bytes = (lengthMax: number) => fc.nat(lengthMax).map((length) => Buffer.alloc(length, length))
const long = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const event: fc.Arbitrary<InteractionEvent> = fc.record({
  eventKey: text,
  source: text,
  eventType: text,
  interactionId: text,
  schemaVersion: text,
  channel: optional,
  direction: optional,
  customerIdentifier: optional,
  customerType: optional,
  queue: optional,
  skill: optional,
  agentId: optional,
  message: optional,
  intent: optional,
  sequence: fc.option(long),
  occurredAt: fc.option(fc.maxSafeNat()),
  occurredAtOriginal: optional,

  occurredAtNanos: fc.option(fc.nat(999_999)),
  receivedAt: fc.maxSafeNat(),
  processedAt: fc.maxSafeNat(),
  declaredSchemaVersion: optional,
  dataActionId: optional,
  sessionId: optional,
  userId: optional,
  attributes: fc.dictionary(text, text),
  partsMissing: fc.array(text),
  bodyHash: bytes(8),
  raw: bytes(200_000),
  bodyForm: optional,
  fixUp: optional,
})

it('writes the same bytes as the library, for every id and event', async () => {
  await fc.assert(
    fc.asyncProperty(event, fc.integer({ min: 1, max: 2_147_483_647 }), async (one, id) => {
      const client = new registryClient.SchemaRegistry({ host: '' })
      client.cache.setSchema(id, registryClient.SchemaType.AVRO, type)
      const written = eventWriter(id, type).encode(one)
      expect(written.equals(await client.encode(id, one))).toBe(true)
      const read = (await client.decode(written)) as InteractionEvent
      expect(BigInt(read.sequence ?? 0)).toBe(BigInt(one.sequence ?? 0))
    }),
  )
})
