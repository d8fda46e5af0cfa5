import { Metrics } from '@weir/service-kit'
import { beforeEach, expect, it } from 'vitest'
import { loadConfig } from './config.ts'
import { consoleMetrics } from './console-metrics.ts'
import { EventIndex } from './event-index.ts'
import { findEventIn } from './find-event.ts'
import { buildServer } from './server.ts'
import { DatabaseAwayError, type StoredEvents } from './stored-events.ts'

const TOKEN = 'a token of the tests'
const KEY = '00112233445566778899aabbccddeeff'

let stored: Pick<StoredEvents, 'find'> | undefined
let index: EventIndex
let app: ReturnType<typeof buildServer>

beforeEach(() => {
  index = new EventIndex({ eventsMax: 10, lettersMax: 10 })
  stored = { find: () => Promise.resolve(undefined) }
  const metrics = new Metrics('test')
  app = buildServer({
    ...{ metrics, counters: consoleMetrics(metrics), readiness: () => [] },
    config: { badTokensMax: 10, badTokensSecs: 60, trustedProxies: ['10.0.0.1'] },
    tokens: ['an older token', TOKEN],
    findEvent: (key) => findEventIn(index, stored)(key),
  })
})

const ask = (
  url = `/events/${KEY}`,
  { token = TOKEN, method = 'GET' as const, headers = {}, remoteAddress = '192.0.2.1' } = {},
) =>
  app.inject({
    ...{ method, url, remoteAddress },
    headers: { ...(token !== '' && { authorization: `Bearer ${token}` }), ...headers },
  })

it('answers what the topics and the database say', async () => {
  index.received(KEY, { source: 'nice', eventType: 't', partition: 0, offset: 4n, at: 1_000 })
  index.skippedEvents(500)
  const response = await ask()
  expect([response.statusCode, response.headers['cache-control']]).toEqual([200, 'no-store'])
  expect(response.json()).toMatchObject({
    ...{ eventKey: KEY, status: 'accepted', source: 'nice', counts: { received: 1, duplicates: null } },
    reach: { eventsSince: '1970-01-01T00:00:00.500Z', deadLettersSince: null, database: 'asked' },
  })
  stored = { find: () => Promise.resolve({ source: 'nice', eventType: 't', receivedAt: 1, storedAt: 2 }) }
  expect((await ask(`/events/${KEY.toUpperCase()}`)).json()).toMatchObject({
    eventKey: KEY,
    status: 'stored',
  })
})

it('says of an unknown key how far it has looked', async () => {
  const response = await ask()
  expect([response.statusCode, response.json()]).toEqual([
    404,
    {
      error: 'No such event is known',
      reach: { eventsSince: null, deadLettersSince: null, database: 'asked' },
    },
  ])
})

it('says without the database only what the topics say', async () => {
  stored = { find: () => Promise.reject(new DatabaseAwayError('planted')) }
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

it('does not take a token from the query, nor says without one whether a key is well formed', async () => {
  expect((await ask(`/events/${KEY}?token=${TOKEN}`, { token: '' })).statusCode).toBe(401)
  expect((await ask('/events/xyz', { token: '' })).statusCode).toBe(401)
})

it('turns away whoever guesses, also with a right token, and nobody else', async () => {
  for (let i = 0; i < 10; i++) expect((await ask(undefined, { token: `guess ${i}` })).statusCode).toBe(401)
  const response = await ask()
  expect(response.statusCode).toBe(429)
  expect(Number(response.headers['retry-after'])).toBeGreaterThan(50)
  expect((await ask(undefined, { remoteAddress: '192.0.2.2' })).statusCode).toBe(404)
})

it('counts guesses for the sender behind a proxy, and believes nobody else about it', async () => {
  const through = (address: string, token: string, remoteAddress = '10.0.0.1') =>
    ask(undefined, { token, remoteAddress, headers: { 'x-forwarded-for': address } })
  for (let i = 0; i < 10; i++) await through('198.51.100.1', 'guess')
  expect((await through('198.51.100.1', TOKEN)).statusCode).toBe(429)
  expect((await through('198.51.100.2', TOKEN)).statusCode).toBe(404)
  for (let i = 0; i < 10; i++) await through(`203.0.113.${i}`, 'guess', '192.0.2.9')
  expect((await through('203.0.113.99', TOKEN, '192.0.2.9')).statusCode).toBe(429)
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
])('answers %s with %i', async (url, status) => {
  expect((await ask(url)).statusCode).toBe(status)
})

it('lets probes and metrics in without a token, and counts by answer', async () => {
  await ask()
  await ask(undefined, { token: 'guess' })
  for (const path of ['/livez', '/readyz']) expect((await app.inject(path)).statusCode).toBe(200)
  const { body } = await app.inject('/metrics')
  expect(body).toMatch(/weir_console_questions_total\{status="unknown",service="test"\} 1/)
  expect(body).toMatch(/weir_console_questions_total\{status="unknown_token",service="test"\} 1/)
  expect(body).not.toContain(KEY)
})

it('starts without tokens only in the dev profile', () => {
  const load = (env: Record<string, string>) => () => loadConfig({ KAFKA_BROKERS: 'b:1', ...env })
  expect(load({})).toThrow(/CONSOLE_TOKENS is not set/)
  expect(load({ CONSOLE_TOKENS: 'short' })).toThrow(/fewer than 16 characters/)
  expect(load({ CONSOLE_TOKENS: `${TOKEN},short` })).toThrow(/fewer than 16 characters/)
  expect(load({ WEIR_PROFILE: 'dev' })().tokens).toEqual([])
  expect(load({ CONSOLE_TOKENS: TOKEN })().tokens).toEqual([TOKEN])
})
