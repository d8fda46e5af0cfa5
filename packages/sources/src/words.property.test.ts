import type { JsonObject, JsonValue } from '@weir/exact-json'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { requireSequence } from './identify.ts'
import { PRESETS, type IntakeProblem, type PresetName, type RequestFacts } from './index.ts'

const facts = (headers: Readonly<Record<string, readonly string[]>> = {}): RequestFacts => ({
  bodyHash: () => 'hash',
  header: (name) => (headers[name]?.length === 1 && headers[name][0] !== '' ? headers[name][0] : undefined),
  headerCount: (name) => headers[name]?.length ?? 0,
})

const STRUCTURED = { 'content-type': ['application/cloudevents+json'] }

interface Required {
  readonly preset: PresetName
  /** A whole body. */
  readonly body: JsonObject
  readonly headers?: Readonly<Record<string, readonly string[]>>
  /** Dotted fields without which it is no event. */
  readonly fields: readonly string[]
  /** Numbers are no ids. */
  readonly textsOnly?: true
}

const REQUIRED: readonly Required[] = [
  { preset: 'cxone', body: { interactionId: 'i', eventType: 'e' }, fields: ['interactionId', 'eventType'] },
  {
    preset: 'cxone',
    body: { eventType: 'e', data: { id: 'i', channelType: 'voice' } },
    fields: ['data.id', 'eventType'],
  },
  { preset: 'cxone-dataaction', body: { id: 'i', type: 't' }, fields: ['id', 'type'] },
  {
    preset: 'nice',
    body: { interactionId: 'i', dataActionId: 'd', updatedTimestamp: 't' },
    fields: ['interactionId', 'dataActionId', 'updatedTimestamp'],
    textsOnly: true,
  },
  {
    preset: 'cognigy',
    body: { conversationId: 'c', sessionId: 's', intent: 'i', timestamp: 1, userId: 'u' },
    fields: ['conversationId'],
    textsOnly: true,
  },
  { preset: 'stripe', body: { id: 'i', type: 't' }, fields: ['id', 'type'] },
  { preset: 'stripe', body: { type: 't', data: { object: { id: 'i' } } }, fields: ['type'] },
  { preset: 'pagerduty', body: { event: { id: 'i' } }, fields: ['event.id'] },
  { preset: 'hubspot', body: { portalId: 1, eventId: 2 }, fields: ['portalId', 'eventId'] },
  { preset: 'sns', body: { MessageId: 'i', Type: 'Notification' }, fields: ['MessageId', 'Type'] },
  { preset: 'zoom', body: { event: 'e' }, fields: ['event'] },
  { preset: 'meta', body: { id: 'i' }, fields: ['id'] },
  { preset: 'event-grid', body: { id: 'i', eventType: 'e' }, fields: ['id', 'eventType'] },
  {
    preset: 'cloudevents',
    body: { id: 'i', source: 's', type: 't' },
    headers: STRUCTURED,
    fields: ['id', 'source', 'type'],
    textsOnly: true,
  },
]

/** Presets that need a header. The other presets take any JSON object as an event. */
const HEADER_REQUIRED: readonly string[] = ['standard-webhooks', 'svix']
const ALWAYS_EVENTS = (Object.keys(PRESETS) as PresetName[]).filter(
  (name) => !HEADER_REQUIRED.includes(name) && REQUIRED.every(({ preset }) => preset !== name),
)

const withField = (
  body: JsonValue,
  [name, ...rest]: readonly string[],
  value: JsonValue | undefined,
): JsonValue => {
  const { [name!]: old, ...others } = body as JsonObject
  if (rest.length > 0) return { ...others, [name!]: withField(old!, rest, value) }
  return value === undefined ? others : { ...others, [name!]: value }
}

const FAULTS: readonly (readonly [fc.Arbitrary<JsonValue | undefined>, string, string])[] = [
  [fc.constant(undefined), 'missing_field', 'is missing'],
  [fc.constant(null), 'missing_field', 'is null'],
  [fc.constant(''), 'missing_field', 'is empty'],
  [fc.boolean(), 'wrong_type', 'is true or false, not a text'],
  [fc.array(fc.string(), { maxLength: 2 }), 'wrong_type', 'is an array, not a text'],
  [fc.dictionary(fc.string(), fc.string()), 'wrong_type', 'is an object, not a text'],
  [fc.string({ minLength: 513 }), 'wrong_type', 'is longer than 512 bytes'],
  [fc.string({ minLength: 171, unit: fc.constant('\u20ac') }), 'wrong_type', 'is longer than 512 bytes'],
  [fc.constantFrom('a\0b', '\0'), 'wrong_type', 'has a NUL character'],
  [fc.constantFrom('a\ud800', '\udc00b'), 'wrong_type', 'has half of a surrogate pair'],
]

it.each(REQUIRED)(
  'names the field of $preset and what is wrong with it: $fields',
  ({ preset, body, headers, fields, textsOnly }) => {
    const { identify } = PRESETS[preset]
    expect(identify(body, facts(headers))).toMatchObject({ kind: 'identified' })
    const faults = textsOnly
      ? [...FAULTS, [fc.integer(), 'wrong_type', 'is a number, not a text'] as const]
      : FAULTS
    for (const field of fields) {
      for (const [values, reason, fault] of faults) {
        fc.assert(
          fc.property(values, (value) => {
            const given = identify(withField(body, field.split('.'), value), facts(headers))
            expect(given).toMatchObject({
              problem: { reason, detail: expect.stringMatching(`^${field} ${fault}`) as string },
            })
            // S4 tells the sender what is wrong, so it must be what is in the letter.
            const { answer, detail } = (given as { problem: IntakeProblem }).problem
            if (preset === 'nice') expect(answer).toBe(`Payload validation failed: ${detail}`)
          }),
          { numRuns: 5 },
        )
      }
    }
  },
)

it.each(ALWAYS_EVENTS)('finds an event in any object of %s', (preset) => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (body) => {
      expect(PRESETS[preset].identify(body as JsonObject, facts())).toMatchObject({ kind: 'identified' })
    }),
  )
})

it.each<[PresetName, string, JsonObject]>([
  ['standard-webhooks', 'webhook-id', {}],
  ['svix', 'svix-id', {}],
  ['cloudevents', 'ce-id', {}],
  ['cloudevents', 'ce-source', {}],
  ['cloudevents', 'ce-type', {}],
])('names the header of %s: %s', (preset, header, body) => {
  const all = { 'webhook-id': ['w'], 'svix-id': ['s'], 'ce-id': ['i'], 'ce-source': ['s'], 'ce-type': ['t'] }
  for (const [values, detail] of [
    [[], 'is missing'],
    [[''], 'is empty'],
    [['a', 'b'], 'is not there once'],
    [['x'.repeat(513)], 'is longer than 512 bytes'],
  ] as const) {
    expect(PRESETS[preset].identify(body, facts({ ...all, [header]: values }))).toMatchObject({
      problem: { detail: `header ${header} ${detail}` },
    })
  }
})

it.each<[PresetName, JsonObject, string]>([
  ['stripe', { type: 't' }, 'id is missing'],
  ['stripe', { type: 't', data: { object: {} } }, 'id is missing'],
  [
    'stripe',
    { type: 't', data: { object: { id: [] } } },
    'data.object.id is an array, not a text or a number',
  ],
  [
    'stripe',
    { type: 't', id: null, data: { object: { id: 'x'.repeat(600) } } },
    'data.object.id is longer than 512 bytes',
  ],
  ['pagerduty', { event: { data: { id: null } } }, 'event.data.id is null'],
  ['event-grid', { eventType: 'e' }, 'id is missing'],
  ['hubspot', { portalId: 1 }, 'eventId is missing'],
  [
    'hubspot',
    { portalId: 'p'.repeat(300), objectId: 'o'.repeat(300) },
    'portalId and objectId and the text around them are longer than 512 bytes together',
  ],
])('names the nearest alternative of %s: %j', (preset, body, detail) => {
  expect(PRESETS[preset].identify(body, facts())).toMatchObject({ problem: { detail } })
})

it.each<[JsonValue | undefined, string]>([
  [undefined, 'n is missing'],
  [null, 'n is null'],
  ['', 'n is empty'],
  ...[-1, 1.5, '1.0', ' 1', true, {}, '9223372036854775808'].map(
    (one) => [one, 'n is not a whole number from 0 to 9223372036854775807'] as [JsonValue, string],
  ),
])('says why %j is not a sequence number', (value, detail) => {
  const identify = requireSequence(PRESETS.custom.identify, 'n')
  expect(identify(value === undefined ? {} : { n: value }, facts())).toMatchObject({ problem: { detail } })
})
