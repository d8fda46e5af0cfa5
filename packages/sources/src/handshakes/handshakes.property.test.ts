import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RequestHeaders } from '../verifier/content/request-headers.ts'
import { HANDSHAKES, type HandshakeKeys, type HandshakeName } from './handshake.ts'
import { answerAuthentic, answerOpen } from './index.ts'
import { isCrcText } from './open.ts'

const secret = Buffer.from('a secret of the tests')
const keys: HandshakeKeys = {
  secrets: [secret],
  verifyToken: 'known',
  origins: ['events.example.com'],
  ratePerMinute: 120,
}
const open = (
  name: HandshakeName,
  method: string,
  query: string | Record<string, string>,
  headers: Record<string, string> = {},
  own: Partial<HandshakeKeys> = {},
) =>
  answerOpen(
    [name],
    { method, query: new URLSearchParams(query), headers: RequestHeaders.of(headers) },
    { ...keys, ...own },
  )
const authentic = (
  name: HandshakeName,
  payload: unknown,
  headers = {},
  signedBy: Buffer | undefined = secret,
) =>
  answerAuthentic([name], {
    headers: RequestHeaders.of(headers),
    payload: payload as never,
    secret: signedBy,
  })

describe('cloudevents', () => {
  const ask = (origin: string, headers = {}, own = {}) =>
    open('cloudevents', 'OPTIONS', '', { 'webhook-request-origin': origin, ...headers }, own)

  it('grants listed origins, and the lower of two rates', () => {
    expect(ask('Events.Example.com')).toMatchObject({
      outcome: 'answered',
      status: 200,
      body: '',
      headers: {
        allow: 'POST',
        'webhook-allowed-origin': 'events.example.com',
        'webhook-allowed-rate': '120',
      },
    })
    const rate = (wanted: string, own = {}) =>
      ask('events.example.com', { 'webhook-request-rate': wanted }, own)?.headers['webhook-allowed-rate']
    expect([rate('60'), rate('500'), rate('x'), rate('60', { ratePerMinute: undefined })]).toEqual([
      '60',
      '120',
      '120',
      '60',
    ])
    expect(ask('events.example.com', {}, { ratePerMinute: undefined })?.headers['webhook-allowed-rate']).toBe(
      '*',
    )
    expect(ask('any.example', {}, { origins: ['*'] })?.headers['webhook-allowed-origin']).toBe('*')
  })

  it.each([
    'evil.example',
    'events.example.com.evil.example',
    'events.example.com, evil',
    '*',
    'a\tb',
    '<x>',
  ])('grants nothing to %s', (origin) => {
    const answer = ask(origin)
    expect(answer?.outcome).toBe('refused')
    expect(JSON.stringify(answer)).not.toMatch(/allowed-/)
  })
})

describe('meta', () => {
  const ask = (parts: Record<string, string>) =>
    open('meta', 'GET', {
      'hub.mode': 'subscribe',
      'hub.verify_token': 'known',
      'hub.challenge': '1158201444',
      ...parts,
    })

  it('returns the challenge if the token is right', () => {
    expect(ask({})).toMatchObject({
      outcome: 'answered',
      status: 200,
      body: '1158201444',
      headers: {
        'content-type': 'text/plain; charset=utf-8',
        'x-content-type-options': 'nosniff',
        'cache-control': 'no-store',
      },
    })
  })

  it.each<[Record<string, string>, number]>([
    [{ 'hub.verify_token': 'knowns' }, 403],
    [{ 'hub.verify_token': '' }, 403],
    [{ 'hub.mode': 'unsubscribe' }, 403],
    [{ 'hub.challenge': '<script>alert(1)</script>' }, 400],
    [{ 'hub.challenge': '1\r\nx: y' }, 400],
    [{ 'hub.challenge': '1'.repeat(257) }, 400],
    [{ 'hub.challenge': '' }, 400],
  ])('refuses %o', (parts, status) => {
    expect(ask(parts)).toMatchObject({ outcome: 'refused', status })
  })

  it('refuses duplicate parameters, and every request if no token is set', () => {
    const twice = 'hub.mode=subscribe&hub.verify_token=x&hub.verify_token=known&hub.challenge=1'
    expect(open('meta', 'GET', twice)).toMatchObject({ status: 403 })
    const good = 'hub.mode=subscribe&hub.verify_token=undefined&hub.challenge=1'
    expect(open('meta', 'GET', good, {}, { verifyToken: undefined })).toMatchObject({ status: 403 })
  })
})

it('zoom: signs the plain token, and only for Zoom', () => {
  // From Zoom's documentation of url_validation, with a secret of its own.
  const ask = (plainToken: unknown, signedBy?: Buffer) =>
    authentic(
      'zoom',
      { event: 'endpoint.url_validation', payload: { plainToken }, event_ts: 1 },
      {},
      signedBy,
    )
  expect(JSON.parse(ask('qgg8vlvZRS6UYooatFL8Aw')!.body)).toEqual({
    plainToken: 'qgg8vlvZRS6UYooatFL8Aw',
    encryptedToken: createHmac('sha256', secret).update('qgg8vlvZRS6UYooatFL8Aw').digest('hex'),
  })
  for (const bad of [undefined, 7, '', '{"a":1}', 'v0:1:{}', 'x'.repeat(257)])
    expect(ask(bad)).toMatchObject({ outcome: 'refused', status: 400 })
  const unsigned = answerAuthentic(['zoom'], {
    headers: RequestHeaders.of({}),
    secret: undefined,
    payload: { event: 'endpoint.url_validation', payload: { plainToken: 'a' } },
  })
  expect(unsigned).toMatchObject({ outcome: 'refused', status: 401 })
  expect(authentic('zoom', { event: 'meeting.started' })).toBeUndefined()
})

it('event-grid: returns the validation code', () => {
  const event = (data: unknown, eventType = 'Microsoft.EventGrid.SubscriptionValidationEvent') => [
    {
      id: '1',
      topic: '/t',
      subject: '',
      eventType,
      data,
      eventTime: '2026-01-31T12:00:00Z',
      dataVersion: '1',
    },
  ]
  const validation = { 'aeg-event-type': 'SubscriptionValidation' }
  const code = '512d38b6-c7b8-40c8-89fe-f46f9e9622b6'
  const url = 'https://rp-eastus2.eventgrid.azure.net/eventsubscriptions/e/validate?id=1'
  expect(
    authentic('event-grid', event({ validationCode: code, validationUrl: url }), validation),
  ).toMatchObject({ status: 200, body: `{"validationResponse":"${code}"}` })
  expect(authentic('event-grid', event({ validationCode: '<b>' }), validation)).toMatchObject({ status: 400 })
  expect(authentic('event-grid', event({ validationCode: code }, 'Mine'), validation)).toMatchObject({
    status: 400,
  })
  expect(authentic('event-grid', event({ validationCode: code }, 'Mine'))).toBeUndefined()
  expect(authentic('event-grid', [...event({}, 'a'), ...event({}, 'b')])).toBeUndefined()
})

it('slack: returns the challenge', () => {
  const challenge = '3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P'
  expect(authentic('slack', { token: 't', type: 'url_verification', challenge })?.body).toBe(
    `{"challenge":"${challenge}"}`,
  )
  expect(authentic('slack', { type: 'url_verification', challenge: '"><x' })).toMatchObject({ status: 400 })
  expect(authentic('slack', { type: 'event_callback', challenge })).toBeUndefined()
})

it('microsoft-graph: returns the decoded token as text', () => {
  const token =
    'Validation: Testing client application reachability for subscription Request-Id: 8c2b0a4e-1d2f'
  expect(open('microsoft-graph', 'POST', { validationToken: token })).toMatchObject({
    status: 200,
    body: token,
    headers: { 'content-type': 'text/plain; charset=utf-8' },
  })
  for (const bad of ['', '<img src=x>', 'a\nb', '"', 'é', 'x'.repeat(1_025)])
    expect(open('microsoft-graph', 'POST', { validationToken: bad })).toMatchObject({ status: 400 })
  expect(open('microsoft-graph', 'GET', { validationToken: token })).toBeUndefined()
})

describe('twitter-crc', () => {
  it('signs the token with the current secret', () => {
    const token = 'MjI1YTc2ZTAtOTIyMi00'
    expect(open('twitter-crc', 'GET', { crc_token: token, nonce: 'n' })).toMatchObject({
      status: 200,
      body: `{"response_token":"sha256=${createHmac('sha256', secret).update(token).digest('base64')}"}`,
    })
  })

  // Whoever asks gets an HMAC under the secret that signs the events.
  it('signs nothing that could be a body', () => {
    const texts = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.json(),
      fc.constantFrom('{}', 'a=1', 'a=b&c=d', '<a/>', '1', 'null', 'abc', 'YQ==', '1700000000.abc'),
      fc.stringMatching(/^[\w.~+/=-]{0,40}$/),
    )
    fc.assert(
      fc.property(texts, (token) => {
        const answer = open('twitter-crc', 'GET', { crc_token: token })
        if (answer?.outcome === 'answered') expect(isCrcText(Buffer.from(token))).toBe(true)
      }),
      { numRuns: 5_000 },
    )
    expect(isCrcText(Buffer.from('{"a":1}'))).toBe(false)
  })
})

it('responds only to handshakes, and reflects no markup, quote or line break', () => {
  const parameter = fc.constantFrom(
    'hub.mode',
    'hub.challenge',
    'hub.verify_token',
    'crc_token',
    'validationToken',
    'x',
  )
  const value = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('subscribe', 'known', '1', '<b>', '"'),
  )
  const payload = fc.oneof(
    fc.jsonValue(),
    fc.record({
      type: fc.constantFrom('url_verification', 'x'),
      event: fc.constantFrom('endpoint.url_validation', 'x'),
      eventType: fc.constantFrom('Microsoft.EventGrid.SubscriptionValidationEvent', 'x'),
      challenge: fc.oneof(value, fc.jsonValue()),
      payload: fc.record({ plainToken: value }),
      data: fc.record({ validationCode: value }),
    }),
  )
  const request = fc.record({
    method: fc.constantFrom('GET', 'POST', 'OPTIONS', 'PUT'),
    query: fc.array(fc.tuple(parameter, value), { maxLength: 6 }),
    origin: fc.option(value, { nil: undefined }),
    payload,
  })
  let answered = 0
  fc.assert(
    fc.property(request, fc.constantFrom(...HANDSHAKES), ({ method, query, origin, payload: body }, name) => {
      const headers = new RequestHeaders(origin === undefined ? [] : ['webhook-request-origin', origin])
      const answers = [
        answerOpen([name], { method, query: new URLSearchParams(query), headers }, keys),
        answerAuthentic([name], { headers, payload: body as never, secret }),
      ]
      for (const answer of answers.filter((one) => one !== undefined)) {
        answered += 1
        expect(answer.headers).toMatchObject({
          'x-content-type-options': 'nosniff',
          'cache-control': 'no-store',
        })
        expect(answer.body.length).toBeLessThan(1_200)
        expect(answer.body).not.toMatch(/[<>\r\n\0]/)
        for (const header of Object.values(answer.headers)) expect(header).toMatch(/^[\x20-\x7e]*$/)
        if (answer.headers['content-type'] === 'application/json') JSON.parse(answer.body)
      }
    }),
    { numRuns: 5_000 },
  )
  expect(answered).toBeGreaterThan(100)
})
