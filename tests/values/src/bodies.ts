import fc from 'fast-check'

/** A delivery to one source, with anything that a sender may send. */
export interface Delivery {
  readonly source: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Buffer
}

const ids = fc.constantFrom('i-1', 'i-2', 'conv-8f3a')
const oddText = fc.oneof(
  fc.constantFrom(
    '',
    '\0',
    'a\0b',
    '\ud800',
    '\udc00x',
    '\ud83d\ude00',
    '__proto__',
    'null',
    'NaN',
    ' ',
    '\u2028',
  ),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.string({ maxLength: 20 }),
  // Longer than an id, a part or an index entry may be.
  fc.constantFrom(513, 2_800, 40_000).map((length) => 'x'.repeat(length)),
  fc.constantFrom(513, 40_000).map((length) => '\ud800'.repeat(length)),
)
const date = fc.oneof(
  fc.constantFrom('2024-05-11T12:00:00.000Z', '2024-05-11', '1715428800000', '0', '-1', '999999999999999'),
  fc.constantFrom(
    '9999-12-31T23:59:59.9999999-05:00',
    '0001-01-01T00:00:00',
    '0000-01-01',
    '2024-02-30T00:00:00Z',
  ),
  fc.constantFrom(
    '-271821-04-20T00:00:00Z',
    '+275760-09-13T00:00:00Z',
    '-999999999999999',
    '2024-13-45T99:99',
  ),
  fc.integer({ min: -(10 ** 15), max: 10 ** 15 }).map(String),
)
/** The text of a number, because JSON does not limit its digits. */
const numberText = fc.oneof(
  fc.constantFrom(
    '0',
    '-0',
    '1',
    '1.0',
    '1e3',
    '-1',
    '0.1',
    '1e-400',
    '-1e-99999',
    '0e99999999999',
    '1e308',
    '1e309',
  ),
  fc.constantFrom('9007199254740990', '9007199254740991', '9007199254740992', '9007199254740993'),
  fc.constantFrom(
    '9223372036854775807',
    '9223372036854775808',
    '-9223372036854775809',
    '1524831183200260097',
  ),
  fc.stringMatching(/^-?[1-9]\d{0,40}(\.\d{1,30})?(e[+-]?\d{1,3})?$/),
  fc.integer().map(String),
)
const scalar = fc.oneof(
  fc.oneof(ids, date, oddText).map((text) => JSON.stringify(text)),
  numberText,
  numberText.map((text) => `"${text}"`),
  fc.constantFrom('true', 'false', 'null', '"\\u0000"', '"\\ud800\\u0041"', '"\\uD83D\\uDE00"', '"\\/"'),
)

const NAMES = [
  'id',
  'type',
  'data',
  'a',
  '',
  '__proto__',
  'constructor',
  'prototype',
  'a.b',
  '0',
  '\ud800',
  '\0',
]
const name = fc
  .oneof(fc.constantFrom(...NAMES), fc.string({ maxLength: 8 }))
  .map((text) => JSON.stringify(text))
const members = (value: fc.Arbitrary<string>) =>
  fc
    .array(fc.tuple(name, value), { maxLength: 4 })
    .map((all) => all.map(([key, one]) => `${key}:${one}`).join(','))
const nested = fc
  .tuple(fc.constantFrom(2, 31, 33, 62, 65, 1_500, 6_000), scalar, fc.boolean())
  .map(([depth, inner, isObject]) =>
    isObject
      ? `${'{"a":'.repeat(depth)}${inner}${'}'.repeat(depth)}`
      : `${'['.repeat(depth)}${inner}${']'.repeat(depth)}`,
  )
const value = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    { weight: 6, arbitrary: scalar },
    { weight: 1, arbitrary: fc.array(tie('value'), { maxLength: 4 }).map((all) => `[${all.join(',')}]`) },
    { weight: 1, arbitrary: members(tie('value')).map((all) => `{${all}}`) },
    { weight: 1, arbitrary: nested },
  ),
})).value

/** The usual values of the fields of each source, as JSON texts. */
const usual = (...texts: readonly string[]) => fc.constantFrom(...texts.map((text) => JSON.stringify(text)))
const sequence = fc.oneof(
  numberText,
  numberText.map((text) => `"${text}"`),
)
const when = fc.oneof(
  date.map((text) => JSON.stringify(text)),
  numberText,
)
/** For presets without an entry below. */
const USUAL_FIELDS = { id: usual('i-1'), type: usual('t'), time: when, data: value }
const FIELDS: Readonly<Record<string, Readonly<Record<string, fc.Arbitrary<string>>>>> = {
  cxone: {
    interactionId: usual('i-1', 'i-2'),
    eventType: usual('CALL_CONNECTED', 'x'),
    timestamp: when,
    sequenceNumber: sequence,
    agentId: scalar,
    skill: scalar,
    direction: usual('inbound'),
    data: fc
      .tuple(usual('voice', 'chat', 'sms', 'fax'), scalar, scalar)
      .map(([type, id, phone]) => `{"id":${id},"channelType":${type},"customer":{"phoneNumber":${phone}}}`),
  },
  cognigy: {
    conversationId: usual('c-1'),
    sessionId: usual('s'),
    intent: usual('book'),
    userId: usual('u'),
    timestamp: numberText,
  },
  'cxone-dataaction': { id: usual('evt-1'), type: usual('dataaction.completed'), agent_skills: value },
  nice: {
    interactionId: usual('int-1'),
    dataActionId: usual('da-1'),
    updatedTimestamp: usual('2024-05-11T12:00:00Z'),
  },
  'nice-expert': { a: value },
  'standard-webhooks': { type: usual('t'), timestamp: when, data: value },
  github: { repository: fc.constant('{"full_name":"a/b"}'), sender: value },
  stripe: {
    id: usual('evt'),
    type: usual('t'),
    data: scalar.map((id) => `{"object":{"id":${id}}}`),
    created: when,
  },
  slack: { event_id: usual('E'), type: usual('event_callback'), event: value },
  shopify: { id: numberText, admin_graphql_api_id: usual('gid'), created_at: when },
  zendesk: { id: usual('z-1'), type: usual('zen:event-type:ticket.created'), time: when, detail: value },
  sendgrid: { sg_event_id: usual('sg-1'), event: usual('open'), timestamp: when, sg_message_id: scalar },
  twilio: { MessageSid: usual('SM1'), MessageStatus: usual('sent'), From: scalar },
  pagerduty: {
    event: scalar.map((id) => `{"id":${id},"event_type":"incident.triggered","data":{"id":"P1"}}`),
  },
  sns: { MessageId: usual('m-1'), Type: usual('Notification'), Message: scalar, Timestamp: when },
  svix: { type: usual('t'), data: value },
  hubspot: {
    portalId: numberText,
    subscriptionId: numberText,
    eventId: numberText,
    occurredAt: when,
    objectId: numberText,
    subscriptionType: usual('contact.creation'),
    attemptNumber: numberText,
  },
  'genesys-open-messaging': { id: usual('g-1'), type: usual('Text', 'Receipt'), status: scalar, text: value },
  zoom: { event: usual('meeting.started'), event_ts: numberText, payload: value },
  meta: { id: usual('page-1'), time: when, changes: value },
  'event-grid': { id: usual('e'), topic: usual('/t'), subject: scalar, eventType: usual('t'), data: value },
  cloudevents: { id: usual('e'), source: usual('/s'), type: usual('t'), subject: scalar, data: value },
  custom: { id: fc.oneof(usual('m-1'), numberText), type: usual('t'), n: sequence },
}
const HEADERS = [
  'ce-id',
  'ce-source',
  'ce-type',
  'x-github-event',
  'x-github-delivery',
  'x-shopify-webhook-id',
  'x-shopify-topic',
  'webhook-id',
  'x-zendesk-webhook-invocation-id',
  'i-twilio-idempotency-token',
  'svix-id',
  'x-nexus-delivery-id',
  'x-nexus-event-type',
  'content-type',
  'traceparent',
]

/** Usually the usual fields; sometimes another value, a repeated field, or an unrelated body. */
const objectOf = (fields: Readonly<Record<string, fc.Arbitrary<string>>>): fc.Arbitrary<string> => {
  const field = (key: string, arbitrary: fc.Arbitrary<string>) =>
    fc.oneof(
      { weight: 12, arbitrary: arbitrary.map((text) => `${JSON.stringify(key)}:${text}`) },
      { weight: 1, arbitrary: value.map((text) => `${JSON.stringify(key)}:${text}`) },
      { weight: 1, arbitrary: fc.constant('') },
    )
  return fc
    .tuple(fc.tuple(...Object.entries(fields).map(([key, one]) => field(key, one))), members(value))
    .map(([known, more]) => `{${[...known, more].filter((text) => text !== '').join(',')}}`)
}

/** `sources` has the names of sources and their presets. */
export const deliveries = (sources: readonly (readonly [string, string])[]): fc.Arbitrary<Delivery> =>
  fc
    .constantFrom(...sources)
    .chain(([source, preset]) =>
      fc.record({
        source: fc.constant(source),
        headers: fc.dictionary(fc.constantFrom(...HEADERS), fc.oneof(ids, fc.string({ maxLength: 600 })), {
          maxKeys: 9,
        }),
        body: fc.oneof(
          { weight: 8, arbitrary: objectOf(FIELDS[preset] ?? USUAL_FIELDS) },
          { weight: 1, arbitrary: value },
          { weight: 1, arbitrary: fc.oneof(fc.constantFrom('', '<a>\0</a>', 'a=1', '{'), fc.string()) },
        ),
      }),
    )
