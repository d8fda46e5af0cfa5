import { eventKeyOf, type AuditEntry } from '@weir/contracts'
import type { JsonObject } from '@weir/exact-json'
import { RetriableError } from '@weir/kafka'
import { AccessTokens, Metrics } from '@weir/runtime'
import { PRESETS } from '@weir/sources'
import fc from 'fast-check'
import { beforeEach, expect, it } from 'vitest'
import { loadConfig, READ_TOKENS, TOKENS } from './config.ts'
import { consoleMetrics } from './console-metrics.ts'
import { EventIndex } from './event-index.ts'
import { findEventIn } from './find-event.ts'
import { findInteractionIn } from './find-interaction.ts'
import { buildServer } from './server.ts'
import { DatabaseUnavailableError, type StoredEvents } from './stored-events.ts'
import type { StoredInteraction } from './stored-interactions.ts'

const TOKEN = 'a token of the tests'
const KEY = '00112233445566778899aabbccddeeff'

const READ_TOKEN = 'a token that may read'
let stored: Pick<StoredEvents, 'find'> | undefined
let interactions: Pick<StoredEvents, 'findInteraction'> | undefined
let index: EventIndex
let noted: AuditEntry[]
let auditAnswers: () => Promise<void>
let app: ReturnType<typeof buildServer>

beforeEach(() => {
  noted = []
  auditAnswers = () => Promise.resolve()
  index = new EventIndex({ eventsMax: 10, lettersMax: 10 })
  stored = { find: () => Promise.resolve(undefined) }
  app = serverBehind(['10.0.0.1'])
})

const serverBehind = (trustedProxies: readonly string[]) => {
  const metrics = new Metrics('test')
  return buildServer({
    metrics,
    counters: consoleMetrics(metrics),
    readiness: () => [],
    config: { badTokensMax: 10, badTokensSecs: 60, trustedProxies },
    audit: {
      write: (entry) => {
        noted.push(entry)
        return auditAnswers()
      },
    },
    tokens: new AccessTokens()
      .add(['an older token', `ann:${TOKEN}`, 'eve@2020-01-01:a token that has expired'], TOKENS)
      .add([READ_TOKEN], READ_TOKENS),
    findEvent: (key) => findEventIn(index, stored)(key),
    findInteraction: (...asked) => findInteractionIn(interactions)(...asked),
  })
}

const ask = (
  url = `/events/${KEY}`,
  { token = TOKEN, method = 'GET' as const, headers = {}, remoteAddress = '192.0.2.1' } = {},
) =>
  app.inject({
    method,
    url,
    remoteAddress,
    headers: { ...(token !== '' && { authorization: `Bearer ${token}` }), ...headers },
  })

it('responds with what the topics and the database hold', async () => {
  index.received(KEY, { source: 'nice', eventType: 't', partition: 0, offset: 4n, at: 1_000 })
  index.skippedEvents(500)
  const response = await ask()
  expect([response.statusCode, response.headers['cache-control']]).toEqual([200, 'no-store'])
  expect(response.json()).toMatchObject({
    eventKey: KEY,
    status: 'accepted',
    source: 'nice',
    counts: { received: 1, duplicates: null },
    reach: { eventsSince: '1970-01-01T00:00:00.500Z', deadLettersSince: null, database: 'asked' },
  })
  stored = { find: () => Promise.resolve({ source: 'nice', eventType: 't', receivedAt: 1, storedAt: 2 }) }
  expect((await ask(`/events/${KEY.toUpperCase()}`)).json()).toMatchObject({
    eventKey: KEY,
    status: 'stored',
  })
})

it('reports how far back it looked for an unknown key', async () => {
  const response = await ask()
  expect([response.statusCode, response.json()]).toEqual([
    404,
    {
      error: 'No such event is known',
      reach: { eventsSince: null, deadLettersSince: null, database: 'asked' },
    },
  ])
})

it('responds from the topics only when the database is unavailable', async () => {
  stored = { find: () => Promise.reject(new DatabaseUnavailableError('planted')) }
  const unknown = await ask()
  expect([unknown.statusCode, unknown.headers['retry-after']]).toEqual([503, '5'])
  index.passed(KEY, { source: 'nice', eventType: 't', partition: 0, offset: 4n, at: 1_000 })
  expect((await ask()).json()).toMatchObject({ status: 'unique', reach: { database: 'away' } })
  stored = undefined
  expect((await ask()).json()).toMatchObject({ status: 'unique', reach: { database: 'none' } })
})

it.each([
  ['no token', {}],
  ['an empty one', { authorization: '' }],
  ['another', { authorization: 'Bearer another' }],
  ['one that is longer', { authorization: `Bearer ${TOKEN}x` }],
  ['one without its scheme', { authorization: TOKEN }],
  ['one of another scheme', { authorization: `Basic ${TOKEN}` }],
  ['one in a cookie', { cookie: `authorization=Bearer ${TOKEN}` }],
])('turns away %s with one answer for all', async (_, headers) => {
  const response = await ask(undefined, { token: '', headers })
  expect([response.statusCode, response.headers['www-authenticate']]).toEqual([401, 'Bearer'])
  expect(response.body).toBe('{"error":"Give a known token as Authorization: Bearer"}')
})

it('ignores a token in the query, and without a token does not reveal whether a key is well formed', async () => {
  expect((await ask(`/events/${KEY}?token=${TOKEN}`, { token: '' })).statusCode).toBe(401)
  expect((await ask('/events/xyz', { token: '' })).statusCode).toBe(401)
})

it('makes a guesser wait, and never refuses a valid token', async () => {
  const guess = (i: number, remoteAddress = '192.0.2.1') =>
    ask(undefined, { token: `guess ${i}`, remoteAddress })
  for (let i = 0; i < 10; i++) expect((await guess(i)).statusCode).toBe(401)
  const response = await guess(10)
  expect(response.statusCode).toBe(429)
  expect(Number(response.headers['retry-after'])).toBeGreaterThan(50)
  expect((await ask()).statusCode).toBe(404)
  expect((await read('/interactions/nice/int-1')).statusCode).toBe(503)
  // A forgotten tool with an old token must not block the address that it shares with others.
  for (let i = 0; i < 12; i++) await ask(undefined, { token: 'revoked', remoteAddress: `192.0.2.${10 + i}` })
  expect((await ask(undefined, { token: 'revoked', remoteAddress: '192.0.2.99' })).statusCode).toBe(429)
  expect((await guess(11, '192.0.2.99')).statusCode).toBe(401)
})

it('refuses an expired token', async () => {
  expect((await ask(undefined, { token: 'a token that has expired' })).statusCode).toBe(401)
})

it('counts guesses against the sender behind a trusted proxy, and trusts no other forwarded address', async () => {
  const through = (address: string, token: string, remoteAddress = '10.0.0.1') =>
    ask(undefined, { token, remoteAddress, headers: { 'x-forwarded-for': address } })
  for (let i = 0; i < 10; i++) await through('198.51.100.1', `guess ${i}`)
  expect((await through('198.51.100.1', 'another guess')).statusCode).toBe(429)
  expect((await through('198.51.100.2', 'another guess')).statusCode).toBe(401)
  for (let i = 0; i < 10; i++) await through(`203.0.113.${i}`, `guess ${i}`, '192.0.2.9')
  expect((await through('203.0.113.99', 'one more', '192.0.2.9')).statusCode).toBe(429)
})

it.each(['POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS'] as const)(
  'answers %s with 405',
  async (method) => {
    const response = await app.inject({ method, url: `/events/${KEY}` })
    expect([response.statusCode, response.headers.allow]).toEqual([405, 'GET'])
  },
)

it.each([
  ['/events/xyz', 400],
  [`/events/${KEY}00`, 400],
  ['/events/%zz', 400],
  ['/events/', 400],
  ['/events', 404],
  ['/', 404],
])('responds to %s with %i', async (url, status) => {
  expect((await ask(url)).statusCode).toBe(status)
})

it('serves probes and metrics without a token, and counts questions by status', async () => {
  await ask()
  await ask(undefined, { token: 'guess' })
  for (const path of ['/livez', '/readyz']) expect((await app.inject(path)).statusCode).toBe(200)
  const { body } = await app.inject('/metrics')
  expect(body).toMatch(/weir_console_questions_total\{status="unknown",service="test"\} 1/)
  expect(body).toMatch(/weir_console_questions_total\{status="unknown_token",service="test"\} 1/)
  expect(body).not.toContain(KEY)
})

const INTERACTION: StoredInteraction = {
  source: 'nice',
  interactionId: 'int-1',
  eventKey: Buffer.alloc(16),
  eventType: 'data.action.updated',
  channel: null,
  direction: null,
  customerIdentifier: null,
  customerType: null,
  queue: null,
  skill: null,
  agentId: null,
  sequence: '9007199254740993',
  occurredAt: new Date(1),
  message: null,
  receivedAt: new Date(2),
  updatedAt: new Date(3),
  payload: '{"n":1.00}',
  occurredAtOriginal: 'T',
  raw: null,
}
const holding = (row: StoredInteraction) => {
  const asked: (readonly [string, string])[] = []
  interactions = {
    findInteraction: (source, id) => {
      asked.push([source, id])
      return Promise.resolve(source === row.source && id === row.interactionId ? row : undefined)
    },
  }
  return asked
}
const read = (url: string, token = READ_TOKEN) => ask(url, { token })

it('gives a reader the latest state of an interaction with every digit', async () => {
  holding(INTERACTION)
  const response = await read('/interactions/nice/int-1')
  expect(response.statusCode).toBe(200)
  expect(response.json()).toEqual({
    source: 'nice',
    interactionId: 'int-1',
    eventType: 'data.action.updated',
    eventKey: '0'.repeat(32),
    sequence: '9007199254740993',
    occurredAt: new Date(1).toISOString(),
    receivedAt: new Date(2).toISOString(),
    updatedAt: new Date(3).toISOString(),
    channel: null,
    direction: null,
    customerIdentifier: null,
    customerType: null,
    queue: null,
    skill: null,
    agentId: null,
    state: { n: 1 },
  })
  expect(response.body).toContain('"n":1.00')
  const status = await read('/interactions/nice/int-1', TOKEN)
  expect([status.statusCode, status.body.includes('n":')]).toEqual([403, false])
  expect((await read('/interactions/nice/int-1', 'another')).statusCode).toBe(401)
  // A token of a reader may also ask for the status of events.
  expect((await read(`/events/${KEY}`)).statusCode).toBe(404)
})

it('finds every id that an interaction can have, and bounds the length of the request', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'binary', minLength: 1, maxLength: 128 }), async (id) => {
      fc.pre(id.isWellFormed() && Buffer.byteLength(id) <= 512)
      holding({ ...INTERACTION, interactionId: id })
      const { statusCode } = await read(`/interactions/nice/${encodeURIComponent(id)}`)
      expect(statusCode).toBe(200)
    }),
    { numRuns: 200 },
  )
  const asked = holding(INTERACTION)
  const euros = encodeURIComponent('€'.repeat(171))
  for (const path of [
    `nice/${euros}`,
    'nice/',
    'NICE/int-1',
    `${'a'.repeat(41)}/int-1`,
    'nice/int-1?form=x',
  ]) {
    expect([path, (await read(`/interactions/${path}`)).statusCode]).toEqual([path, 400])
  }
  for (const path of ['nice/%zz', `nice/${'a'.repeat(2_000)}`, 'nice/a/b']) {
    expect((await read(`/interactions/${path}`)).statusCode).toBeGreaterThanOrEqual(400)
  }
  expect(asked).toEqual([])
  expect((await read('/interactions/nice/another')).statusCode).toBe(404)
  expect((await app.inject({ method: 'POST', url: '/interactions/nice/int-1' })).statusCode).toBe(405)
})

it('reports that it knows no state without the database', async () => {
  interactions = undefined
  expect((await read('/interactions/nice/int-1')).statusCode).toBe(503)
  interactions = { findInteraction: () => Promise.reject(new DatabaseUnavailableError('planted')) }
  const response = await read('/interactions/nice/int-1')
  expect([response.statusCode, response.headers['retry-after']]).toEqual([503, '5'])
})

/** The row that persistence stores for an event of a built-in source. */
const storedAs = (preset: 'nice' | 'cognigy', source: string, body: JsonObject): StoredInteraction => {
  const found = PRESETS[preset].identify(body, { bodyHash: () => '', header: () => undefined })
  if (found.kind !== 'identified') throw new TypeError('it is valid')
  const { interactionId, dedupKey, eventType } = found.identity
  const raw = Buffer.from(JSON.stringify(body))
  const eventKey = eventKeyOf(source, dedupKey)
  return { ...INTERACTION, source, interactionId, eventType, eventKey, raw, payload: raw.toString() }
}

it.each(['nice', 'tenant-b'])(
  'S4-04 gives the latest state in the form of S4, for the source %s',
  async (source) => {
    const body = { interactionId: 'int-1', dataActionId: 'da-1', updatedTimestamp: '2024-05-11T12:00:00Z' }
    holding(storedAs('nice', source, { ...body, payload: { k: 'v' } }))
    const { interactionId, ...state } = body
    expect((await read(`/interactions/${source}/${interactionId}`)).json()).toMatchObject({
      state: { ...state, payload: { k: 'v' } },
    })
    holding(storedAs('nice', source, body))
    const answer = (await read(`/interactions/${source}/int-1`)).json<{ readonly state: object }>()
    expect(answer.state).toEqual({ ...state, payload: {} })
  },
)

it('S1-04 gives the stored response of a Cognigy message, the same for its duplicates', async () => {
  const body = {
    conversationId: 'conv-1',
    sessionId: 's',
    intent: 'i',
    timestamp: 1_715_428_800_000,
    userId: 'u',
  }
  const row = storedAs('cognigy', 'cognigy', body)
  holding(row)
  const { state, response } = (await read('/interactions/cognigy/conv-1')).json<Record<string, unknown>>()
  expect(state).toEqual(body)
  expect(response).toMatchObject({ success: true, processedAt: 2 })
  const { messageId } = response as { messageId: string }
  expect(eventKeyOf('cognigy', messageId).equals(row.eventKey)).toBe(true)
})

it('S2-05 gives the nested form of the router', async () => {
  const customer = { channel: 'voice', direction: 'inbound', queue: 'Sales', customerIdentifier: '+1555' }
  holding({ ...INTERACTION, source: 'cxone', ...customer, customerType: 'phone' })
  expect((await read('/interactions/cxone/int-1?form=cxone-router')).json()).toEqual({
    interactionId: 'int-1',
    timestamp: 'T',
    normalizedCustomer: { identifier: '+1555', type: 'phone' },
    normalizedContext: { queue: 'Sales', direction: 'inbound' },
  })
})

it('starts without tokens only in the dev profile', () => {
  const load = (env: Record<string, string>) => () => loadConfig({ KAFKA_BROKERS: 'b:1', ...env })
  expect(load({})).toThrow(/CONSOLE_TOKENS is not set/)
  expect(load({ CONSOLE_TOKENS: 'short' })).toThrow(/fewer than 16 characters/)
  expect(load({ CONSOLE_TOKENS: `${TOKEN},short` })).toThrow(/fewer than 16 characters/)
  expect(load({ WEIR_PROFILE: 'dev' })().tokens).toEqual([])
  expect(load({ CONSOLE_TOKENS: TOKEN })().tokens).toEqual([TOKEN])
  expect(load({ CONSOLE_READ_TOKENS: TOKEN })().readTokens).toEqual([TOKEN])
  expect(load({ CONSOLE_READ_TOKENS: 'short' })).toThrow(/CONSOLE_READ_TOKENS has fewer than 16/)
})

it.each(['0.0.0.0/0', '::/0', '10.0.0.0/8,0.0.0.0/0'])(
  'serves behind %s, where that risk is taken',
  async (proxies) => {
    const env = { KAFKA_BROKERS: 'b:1', CONSOLE_TOKENS: TOKEN, CONSOLE_TRUSTED_PROXIES: proxies }
    const { trustedProxies } = loadConfig({ ...env, ALLOW_ANY_PROXY: 'true' })
    const everywhere = serverBehind(trustedProxies)
    expect((await everywhere.inject({ url: '/livez', remoteAddress: '203.0.113.9' })).statusCode).toBe(200)
    await everywhere.close()
  },
)

it('records who reads an interaction before it reads it, and refuses if it cannot record that', async () => {
  const asked = holding(INTERACTION)
  await read('/interactions/nice/int-1')
  expect(noted).toEqual([
    {
      what: 'interaction.read',
      who: { service: 'console', name: 'reader-1', role: 'reader', address: '192.0.2.1' },
      details: { source: 'nice', interactionId: 'int-1', form: 'weir' },
    },
  ])
  expect(asked).toHaveLength(1)
  auditAnswers = () => Promise.reject(new RetriableError('planted'))
  const refused = await read('/interactions/nice/int-1')
  expect([refused.statusCode, refused.headers['retry-after']]).toEqual([503, '5'])
  expect(asked).toHaveLength(1)
  await read('/interactions/nice/int-1', TOKEN)
  expect(noted).toHaveLength(2)
})
