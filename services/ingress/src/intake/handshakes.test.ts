import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deflateSync, gzipSync } from 'node:zlib'
import { decodeReceivedWebhook } from '@weir/contracts'
import { PRESETS, signedHeaders, type HmacSpec, type PresetName } from '@weir/sources'
import { CloudEvent, HTTP } from 'cloudevents'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { loadConfig } from '../config.ts'
import { TestIngress, type Call } from '../testing/test-ingress.ts'

const SECRET = 'a secret of the tests'
const dir = mkdtempSync(join(tmpdir(), 'weir-handshakes-'))
const file = join(dir, 'sources.yaml')
writeFileSync(
  file,
  `version: 1
sources:
  zoom: { preset: zoom }
  slack: { preset: slack, acceptEncodings: [gzip, deflate] }
  forms: { preset: slack, form: payload, acceptEncodings: [gzip] }
  meta: { preset: meta }
  event-grid: { preset: event-grid }
  cloudevents: { preset: cloudevents, handshake: cloudevents, handshakeOrigins: [Events.example.com], rate: { perSec: 5 } }
  x: { preset: custom, handshake: twitter-crc, verifier: { header: x-twitter-webhooks-signature, encoding: base64, prefix: sha256= } }
  graph: { preset: custom, unsigned: true, handshake: [microsoft-graph], cidrs: [127.0.0.1] }
  plain: { preset: custom, unsigned: true }
`,
)
const ingress = new TestIngress({
  SOURCES_FILE: file,
  ...Object.fromEntries(
    ['ZOOM', 'SLACK', 'FORMS', 'META', 'X'].map((name) => [`SOURCE_${name}_SECRETS`, SECRET]),
  ),
  SOURCE_META_VERIFY_TOKEN: 'known to Meta',
  SOURCE_EVENT_GRID_TOKEN: 'a token',
  SOURCE_CLOUDEVENTS_TOKEN: 'a token',
})
beforeAll(() => ingress.listen())
afterAll(async () => {
  await ingress.close()
  rmSync(dir, { recursive: true, force: true })
})
beforeEach(() => ingress.forget())

const written = () => ingress.written.map(decodeReceivedWebhook)
const signedPost = (name: PresetName, body: string, more: Partial<Call> = {}) => {
  const headers = signedHeaders(PRESETS[name].verifier as HmacSpec, SECRET, Buffer.from(body))
  return ingress.call({
    path: `/webhooks/${name}`,
    body,
    headers: { 'content-type': 'application/json', ...headers },
    ...more,
  })
}
const tokenPost = (name: string, body: string, headers: Record<string, string> = {}) =>
  ingress.call({
    path: `/webhooks/${name}`,
    body,
    headers: { 'content-type': 'application/json', authorization: 'Bearer a token', ...headers },
  })

describe('a handshake gets a response, is counted, and does not become an event', () => {
  afterAll(async () => {
    const text = await ingress.metricsText()
    for (const name of [
      'zoom',
      'meta',
      'event-grid',
      'cloudevents',
      'twitter-crc',
      'microsoft-graph',
      'slack',
    ]) {
      expect(text).toMatch(
        new RegExp(
          `weir_ingress_handshakes_total\\{source="[a-z-]+",handshake="${name}",outcome="answered".*\\} [1-9]`,
        ),
      )
    }
  })

  it('of Zoom, after its signature has been verified', async () => {
    const body =
      '{"payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"},"event_ts":1654503849680,"event":"endpoint.url_validation"}'
    const answer = await signedPost('zoom', body)
    expect([answer.status, JSON.parse(answer.body)]).toMatchObject([
      200,
      {
        plainToken: 'qgg8vlvZRS6UYooatFL8Aw',
        encryptedToken: expect.stringMatching(/^[\da-f]{64}$/) as string,
      },
    ])
    const forged = await signedPost('zoom', body, {
      headers: { 'content-type': 'application/json', 'x-zm-signature': `v0=${'0'.repeat(64)}` },
    })
    expect(forged.status).toBe(401)
    expect(written()).toEqual([])
  })

  it('of Slack', async () => {
    const { body, headers } = await signedPost('slack', '{"type":"url_verification","challenge":"c-1"}')
    expect([body, headers['x-content-type-options']]).toEqual(['{"challenge":"c-1"}', 'nosniff'])
    expect(written()).toEqual([])
  })

  const CHALLENGE = '{"type":"url_verification","challenge":"c-1"}'
  const FORM = 'application/x-www-form-urlencoded'
  it.each<[string, string, Buffer, Readonly<Record<string, string>>]>([
    ['gzip', 'slack', gzipSync(CHALLENGE), { 'content-encoding': 'gzip' }],
    ['deflate', 'slack', deflateSync(CHALLENGE), { 'content-encoding': 'deflate' }],
    ['a form', 'slack', Buffer.from('type=url_verification&challenge=c-1'), { 'content-type': FORM }],
    [
      'a form within gzip',
      'slack',
      gzipSync('type=url_verification&challenge=c-1'),
      { 'content-type': FORM, 'content-encoding': 'gzip' },
    ],
    ['a field', 'forms', Buffer.from(`payload=${encodeURIComponent(CHALLENGE)}`), { 'content-type': FORM }],
    ['JSON behind a byte order mark', 'slack', Buffer.from(`\uFEFF${CHALLENGE}`), {}],
  ])('of Slack, in %s', async (_, source, body, headers) => {
    const signed = signedHeaders(PRESETS.slack.verifier as HmacSpec, SECRET, body)
    const answer = await ingress.call({
      path: `/webhooks/${source}`,
      body,
      headers: { 'content-type': 'application/json', ...signed, ...headers },
    })
    expect([answer.status, answer.body]).toEqual([200, '{"challenge":"c-1"}'])
    expect(written()).toEqual([])
  })

  it('is not recognised in a small body with more fields than a handshake', async () => {
    const body = gzipSync(
      `{"type":"url_verification","challenge":"c-1","event_id":"e","x":"${'x'.repeat(9_000)}"}`,
    )
    const signed = signedHeaders(PRESETS.slack.verifier as HmacSpec, SECRET, body)
    const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip', ...signed }
    await ingress.call({ path: '/webhooks/slack', body, headers })
    expect(written()).toHaveLength(1)
  })

  it('of Meta, with the configured token', async () => {
    const ask = (token: string) =>
      ingress.call({
        method: 'GET',
        path: `/webhooks/meta?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=${encodeURIComponent(token)}`,
      })
    const { status, body, headers } = await ask('known to Meta')
    expect([status, body, headers['content-type']]).toEqual([200, '1158201444', 'text/plain; charset=utf-8'])
    expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' })
    expect((await ask('known to others')).status).toBe(403)
    expect((await ingress.call({ method: 'GET', path: '/webhooks/meta' })).status).toBe(405)
  })

  it('of Event Grid, in both schemas', async () => {
    const event = {
      id: '1',
      topic: '/t',
      subject: '',
      eventType: 'Microsoft.EventGrid.SubscriptionValidationEvent',
    }
    const body = JSON.stringify([{ ...event, data: { validationCode: '512d38b6' } }])
    const validation = { 'aeg-event-type': 'SubscriptionValidation' }
    expect(await tokenPost('event-grid', body, validation)).toMatchObject({
      status: 200,
      body: '{"validationResponse":"512d38b6"}',
    })
    expect((await tokenPost('event-grid', body, { ...validation, authorization: 'Bearer b' })).status).toBe(
      401,
    )
    const asked = await ingress.call({
      method: 'OPTIONS',
      path: '/webhooks/event-grid',
      headers: { 'webhook-request-origin': 'eventgrid.azure.net' },
    })
    expect([asked.status, asked.headers['webhook-allowed-origin']]).toEqual([200, 'eventgrid.azure.net'])
    expect(written()).toEqual([])
  })

  it('of CloudEvents, for the listed origins', async () => {
    const ask = (origin?: string) =>
      ingress.call({
        method: 'OPTIONS',
        path: '/webhooks/cloudevents',
        headers:
          origin === undefined ? {} : { 'webhook-request-origin': origin, 'webhook-request-rate': '120' },
      })
    const { status, headers, body } = await ask('events.example.com')
    expect([status, body]).toEqual([200, ''])
    expect(headers).toMatchObject({
      allow: 'POST',
      'webhook-allowed-origin': 'events.example.com',
      'webhook-allowed-rate': '120',
    })
    const refused = await ask('evil.example')
    expect([refused.status, refused.headers['webhook-allowed-origin']]).toEqual([403, undefined])
    expect((await ask()).status).toBe(405)
  })

  it('of X, whose token cannot be a body', async () => {
    const ask = (token: string) =>
      ingress.call({ method: 'GET', path: `/webhooks/x?crc_token=${encodeURIComponent(token)}` })
    const { status, body } = await ask('abc')
    expect(status).toBe(200)
    const { response_token: signature } = JSON.parse(body) as { response_token: string }
    const forged = await ingress.call({
      path: '/webhooks/x',
      body: 'abc',
      headers: { 'content-type': 'application/json', 'x-twitter-webhooks-signature': signature },
    })
    expect(forged.status).toBe(401)
    expect((await ask('{"id":"forged"}')).status).toBe(400)
    expect(written()).toEqual([])
  })

  it('of Microsoft Graph, before any body, from the addresses of the source alone', async () => {
    const ask = (from?: string) =>
      ingress.call({
        path: '/webhooks/graph?validationToken=Validation%3A+a%20token',
        ...(from && { from }),
        headers: { 'content-type': 'text/plain; charset=utf-8' },
      })
    const { status, body, headers } = await ask()
    expect([status, body, headers['content-type']]).toEqual([
      200,
      'Validation: a token',
      'text/plain; charset=utf-8',
    ])
    expect((await ask('127.0.0.2')).status).toBe(403)
    expect(written()).toEqual([])
  })
})

it('does not respond to a handshake that a source did not choose', async () => {
  const path = '/webhooks/plain?hub.mode=subscribe&crc_token=a&validationToken=a'
  expect((await ingress.call({ method: 'GET', path })).status).toBe(405)
  const options = { method: 'OPTIONS', path, headers: { 'webhook-request-origin': 'a.example' } }
  expect((await ingress.call(options)).status).toBe(405)
  const headers = { 'content-type': 'application/json' }
  expect((await ingress.call({ path, headers, body: '{"id":"a","type":"url_verification"}' })).status).toBe(
    200,
  )
  expect(written()).toHaveLength(1)
})

it('limits the rate of handshakes', async () => {
  const calls = Array.from({ length: 40 }, () =>
    ingress.call({ path: '/webhooks/graph?validationToken=a', headers: { 'content-type': 'text/plain' } }),
  )
  const statuses = (await Promise.all(calls)).map(({ status }) => status)
  expect(statuses.filter((status) => status === 429).length).toBeGreaterThan(10)
  expect(new Set(statuses)).toEqual(new Set([200, 429]))
})

it('does not start without what a handshake needs', () => {
  const load = (text: string, env: Record<string, string> = {}) => {
    const bad = join(dir, 'bad.yaml')
    writeFileSync(bad, `version: 1\nsources:\n  a: { ${text} }\n`)
    return () => loadConfig({ WEIR_PROFILE: 'dev', KAFKA_BROKERS: 'b:1', SOURCES_FILE: bad, ...env })
  }
  const signed = { SOURCE_A_SECRETS: SECRET }
  expect(load('preset: meta', signed)).toThrow(/SOURCE_A_VERIFY_TOKEN: give the text that Meta sends/)
  expect(load('preset: custom, handshake: cloudevents', signed)).toThrow(
    /cloudevents needs `handshakeOrigins`/,
  )
  expect(load('preset: cognigy, cidrs: [127.0.0.1], handshake: zoom')).toThrow(/zoom responds with an HMAC/)
  // A stranger could have the hash of a body of his own signed, and send the body under it.
  for (const content of [
    "'{body-sha256}'",
    "'{timestamp}.{body-crc32}', timestamp: { header: x-ts }",
    "'{form}', publicUrl: 'https://a.b'",
  ]) {
    const verifier = `verifier: { header: x-sig, content: ${content} }`
    expect(load(`preset: custom, handshake: [meta, twitter-crc], ${verifier}`)).toThrow(
      /must contain \{body\} itself/,
    )
    expect(load(`preset: custom, handshake: zoom, ${verifier}`)).not.toThrow(/itself/)
  }
  expect(load('preset: custom, handshake: facebook', signed)).toThrow(/must be one of cloudevents, meta/)
  expect(load('preset: event-grid')).toThrow(/give cidrs or SOURCE_A_CIDRS or SOURCE_A_TOKEN/)
})

describe('presets of batches', () => {
  it('accept CloudEvents in each mode', async () => {
    const event = (id: string) =>
      `{"specversion":"1.0","id":"${id}","source":"/s","type":"com.example.t","data":{"id":"not this"}}`
    expect(
      (await tokenPost('cloudevents', event('a'), { 'content-type': 'application/cloudevents+json' })).status,
    ).toBe(200)
    const batch = { 'content-type': 'application/cloudevents-batch+json; charset=utf-8', 'ce-id': 'not this' }
    expect((await tokenPost('cloudevents', `[${event('b')}, ${event('c')}]`, batch)).status).toBe(200)
    const binary = {
      'ce-specversion': '1.0',
      'ce-id': 'd',
      'ce-source': '/s%C3%A9',
      'ce-type': 'com.example.t',
    }
    expect((await tokenPost('cloudevents', '{"id":"data","source":"data"}', binary)).status).toBe(200)
    expect(written().map(({ dedupKey, eventType }) => [dedupKey, eventType])).toEqual([
      ['/s:a', 'com.example.t'],
      ['/s:b', 'com.example.t'],
      ['/s:c', 'com.example.t'],
      ['/sé:d', 'com.example.t'],
    ])
    ingress.forget()
    expect((await tokenPost('cloudevents', '{"id":"data"}', { 'ce-id': 'd', 'ce-type': 't' })).body).toBe(
      '{"error":"header ce-source is missing"}',
    )
    expect((await tokenPost('cloudevents', '[{"id":"a"}]', binary)).status).toBe(400)
    expect(written().map(({ intakeError }) => intakeError?.reason)).toEqual(['missing_field', 'wrong_type'])
  })

  it('accept requests of the CloudEvents SDK', async () => {
    const event = (id: string) =>
      new CloudEvent({
        id,
        source: '/sdk/orders',
        type: 'com.example.t',
        subject: 'order-1',
        data: { total: 10 },
      })
    for (const { headers, body } of [
      HTTP.binary(event('a')),
      HTTP.structured(event('b')),
      {
        headers: { 'content-type': 'application/cloudevents-batch+json' },
        body: JSON.stringify([event('c')]),
      },
    ]) {
      const { status } = await tokenPost('cloudevents', body as string, headers as Record<string, string>)
      expect(status).toBe(200)
    }
    expect(written().map(({ dedupKey, interactionId }) => [dedupKey, interactionId])).toEqual([
      ['/sdk/orders:a', 'order-1'],
      ['/sdk/orders:b', 'order-1'],
      ['/sdk/orders:c', 'order-1'],
    ])
  })

  it('accept the entries of Meta, with the object that they concern', async () => {
    const entries = [
      '{"id":"p-1","time":1,"changes":[]}',
      '{"id":"p-2","time":1,"messaging":[{"message":{"mid":"m"}}]}',
    ]
    expect((await signedPost('meta', `{"object":"page","entry":[${entries.join(',')}]}`)).status).toBe(200)
    expect(
      written().map(({ raw, interactionId, eventType }) => [raw.toString(), interactionId, eventType]),
    ).toEqual([
      [entries[0], 'p-1', 'page'],
      [entries[1], 'p-2', 'page'],
    ])
  })

  it('accept events of Event Grid and Zoom', async () => {
    const event = '{"id":"e","topic":"/t","subject":"/s","eventType":"Blob.Created","data":{}}'
    expect((await tokenPost('event-grid', `[${event}]`, { 'aeg-event-type': 'Notification' })).status).toBe(
      200,
    )
    const started = '{"event":"meeting.started","event_ts":1,"payload":{"object":{"uuid":"u","id":1}}}'
    expect((await signedPost('zoom', started)).status).toBe(200)
    expect(
      written().map(({ dedupKey, interactionId, eventType }) => [dedupKey, interactionId, eventType]),
    ).toEqual([
      ['/t:e', '/s', 'Blob.Created'],
      [expect.stringMatching(/^[\da-f]{64}$/), 'u', 'meeting.started'],
    ])
  })
})
