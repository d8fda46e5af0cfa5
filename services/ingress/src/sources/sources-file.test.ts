import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PRESETS, signedHeaders, type HmacSpec, type PresetName } from '@weir/sources'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { loadConfig } from '../config.ts'
import { TestIngress, type Call } from '../testing/test-ingress.ts'

const SECRET = 'a secret of the tests'
const WHSEC = `whsec_${btoa(SECRET)}`
const dir = mkdtempSync(join(tmpdir(), 'weir-sources-'))
const file = join(dir, 'sources.yaml')
writeFileSync(
  file,
  `version: 1
sources:
  hooks: { preset: standard-webhooks }
  slack: { preset: slack }
  shopify: { preset: shopify }
  expert: { preset: nice-expert }
  router: { preset: cxone, unsigned: true, responseProfile: cxone-router }
  function: { preset: cxone, responseProfile: cxone }
  state: { preset: nice, responseProfile: nice, paths: [/state, /webhooks/state] }
  bot: { preset: cognigy, cidrs: [127.0.0.1], responseProfile: cognigy, unknownFields: reject }
  plain: { preset: nice, responseProfile: weir, onInvalid: accept-dlq }
  small: { preset: nice, bodyBytesMax: 1024 }
  limited: { preset: nice, rate: { perSec: 1, burst: 2 } }
  hurried: { preset: nice, requestBudgetMs: 100 }
  retried: { preset: nice, volatileFields: [payload.attempt] }
  absent: { preset: nice }
  shadowed: { preset: nice, shadow: true }
`,
)
const secrets = (...names: string[]) =>
  Object.fromEntries(names.map((name) => [`SOURCE_${name}_SECRETS`, SECRET]))
const env = {
  SOURCES_FILE: file,
  ...secrets(
    'SLACK',
    'SHOPIFY',
    'EXPERT',
    'FUNCTION',
    'STATE',
    'PLAIN',
    'SMALL',
    'LIMITED',
    'HURRIED',
    'RETRIED',
    'SHADOWED',
  ),
  SOURCE_HOOKS_SECRETS: WHSEC,
  SOURCE_EXPERT_BASIC: 'user:password',
  SOURCE_EXPERT_TOKEN: 'a token',
  SOURCE_ABSENT_SECRETS_FILE: join(dir, 'nothing'),
}
const ingress = new TestIngress(env)
beforeAll(() => ingress.listen())
afterAll(async () => {
  await ingress.close()
  rmSync(dir, { recursive: true, force: true })
})
beforeEach(() => ingress.forget())

const NICE_BODY = '{"interactionId":"i","dataActionId":"d","updatedTimestamp":"t"}'

const post = (
  source: string,
  preset: PresetName,
  body: string,
  { headers, ...rest }: Partial<Call> = {},
  id = 'msg_1',
) => {
  const { verifier } = PRESETS[preset]
  const signed =
    verifier.kind === 'hmac'
      ? signedHeaders(verifier, verifier.secretEncoding === 'whsec' ? WHSEC : SECRET, Buffer.from(body), {
          id,
        })
      : {}
  const type = preset === 'nice-expert' ? 'text/xml' : 'application/json'
  return ingress.call({
    path: `/webhooks/${source}`,
    body,
    headers: { 'content-type': type, ...signed, ...headers },
    ...rest,
  })
}
const NICE = '{"interactionId":"i-1","dataActionId":"d","updatedTimestamp":"t"}'

it('uses the id of Standard Webhooks as the key, and accepts any of two signatures', async () => {
  expect((await post('hooks', 'standard-webhooks', '{"type":"a"}', {}, 'msg_7')).status).toBe(200)
  expect(ingress.last).toMatchObject({
    source: 'hooks',
    dedupKey: 'msg_7',
    interactionId: 'msg_7',
    eventType: 'a',
  })
  const spec = PRESETS['standard-webhooks'].verifier as HmacSpec
  const good = signedHeaders(spec, WHSEC, Buffer.from('{}'))[spec.header]!
  const other = signedHeaders(spec, `whsec_${btoa('another')}`, Buffer.from('{}'))[spec.header]!
  const both = { headers: { [spec.header]: `${other} ${good}` } }
  expect((await post('hooks', 'standard-webhooks', '{}', both)).status).toBe(200)
  expect((await post('hooks', 'standard-webhooks', '{}', { headers: { [spec.header]: other } })).status).toBe(
    401,
  )
})

it('returns the challenge of Slack', async () => {
  const { body } = await post('slack', 'slack', '{"type":"url_verification","challenge":"c-1"}')
  expect(body).toBe('{"challenge":"c-1"}')
  expect(await post('slack', 'slack', '{"type":"event_callback","event_id":"E"}')).toMatchObject({
    status: 200,
    body: '',
  })
})

it('keeps XML of CXone Expert unchanged, with either authorization', async () => {
  const body = '<event id="1"/>'
  const send = (authorization: string) => post('expert', 'nice-expert', body, { headers: { authorization } })
  for (const good of [`Basic ${btoa('user:password')}`, 'Bearer a token']) {
    expect((await send(good)).status).toBe(200)
    expect(ingress.last).toMatchObject({ contentType: 'text/xml', eventType: 'event' })
    expect(ingress.last.raw.toString()).toBe(body)
  }
  for (const bad of ['', 'Basic x', 'Bearer a tokens', 'a token']) {
    expect(await send(bad)).toMatchObject({ status: 401, body: '{"error":"Unauthorized"}' })
  }
  const json = { headers: { 'content-type': 'application/json', authorization: 'Bearer a token' } }
  expect((await post('expert', 'nice-expert', body, json)).status).toBe(415)
})

describe('the literal responses', () => {
  const LEAN = '{"interactionId":"i-1","eventType":"t","sequenceNumber":1}'
  const BOT = '{"conversationId":"c","sessionId":"s","intent":"i","timestamp":1,"userId":"u"}'

  it.each<[string, PresetName, string, number, string | RegExp]>([
    ['router', 'cognigy', LEAN, 200, '{"status":"processed","interactionId":"i-1"}'],
    ['router', 'cognigy', '{"broken"', 200, '{"status":"queued_for_retry"}'],
    ['function', 'cxone', LEAN, 200, ''],
    ['function', 'cxone', '{"broken"', 200, ''],
    ['state', 'nice', NICE, 200, /^\{"status":"processed","interactionId":"i-1","state":/],
    ['bot', 'cognigy', BOT, 200, /^\{"success":true,"messageId":"[0-9a-f]{64}","processedAt":\d{13}\}$/],
    ['plain', 'nice', NICE, 200, /^\{"status":"accepted","eventKey":"[0-9a-f]{32}","interactionId":"i-1"\}$/],
  ])('of %s signed as %s for %s', async (source, preset, body, status, text) => {
    const answer = await post(source, preset, body)
    expect(answer.status).toBe(status)
    if (typeof text === 'string') expect(answer.body).toBe(text)
    else expect(answer.body).toMatch(text)
  })

  it('are the same 401 for all if Weir’s own are configured', async () => {
    const wrong = ['', 'x', '0'.repeat(64)].map((value) => ({ headers: { 'x-nice-signature': value } }))
    const answers = await Promise.all(wrong.map((request) => post('plain', 'nice', NICE, request)))
    for (const { status, body } of answers) expect([status, body]).toEqual([401, '{"error":"Unauthorized"}'])
  })
})

it('accepts unsigned requests only if that is configured, and still refuses invalid signatures', async () => {
  const lean = '{"interactionId":"i","eventType":"t","sequenceNumber":1}'
  expect((await post('router', 'cognigy', lean)).status).toBe(200)
  expect((await post('function', 'cognigy', lean)).status).toBe(400)
})

it('makes a dead letter of unknown fields, and does not name them', async () => {
  const body =
    '{"conversationId":"c","sessionId":"s","intent":"i","timestamp":1,"userId":"u","secret field":1}'
  const answer = await post('bot', 'cognigy', body)
  expect(answer).toMatchObject({ status: 400, body: '{"error":"1 unknown top-level fields"}' })
  expect(ingress.last.intakeError).toMatchObject({ reason: 'unknown_field' })
})

it('serves all paths of a source and no other', async () => {
  expect((await post('state', 'nice', NICE, { path: '/state' })).status).toBe(200)
  expect((await post('state', 'nice', NICE, { path: '/cxone/webhook/data-action' })).status).toBe(404)
})

it('limits the body of a source by its own setting', async () => {
  const body = `{"interactionId":"i","dataActionId":"d","updatedTimestamp":"t","payload":{"x":"${'x'.repeat(1024)}"}}`
  expect((await post('small', 'nice', body)).status).toBe(413)
  expect((await post('plain', 'nice', body)).status).toBe(200)
})

it('responds with 429 above the rate of a source, and refused requests do not count', async () => {
  const bad = { headers: { 'x-nice-signature': '0'.repeat(64) } }
  const statuses = async (request?: Partial<Call>) =>
    (await Promise.all(Array.from({ length: 5 }, () => post('limited', 'nice', NICE, request))))
      .map(({ status }) => status)
      .sort()
  expect(await statuses(bad)).toEqual([401, 401, 429, 429, 429])
  expect(await statuses()).toEqual([200, 200, 429, 429, 429])
  const { status, headers } = await post('limited', 'nice', NICE)
  expect([status, headers['retry-after']]).toEqual([429, '1'])
  expect((await post('plain', 'nice', NICE)).status).toBe(200)
})

it('responds with 503 after a source’s own budget, whatever happens to the record', async () => {
  const held = Promise.withResolvers<undefined>()
  ingress.held = held.promise.then(() => undefined)
  const { status, headers } = await post('hurried', 'nice', NICE)
  expect([status, headers['retry-after']]).toEqual([503, '5'])
  held.resolve(undefined)
})

it('has one body hash for an event and its retry when only volatile fields differ', async () => {
  const send = async (source: string, attempt: number) => {
    await post(
      source,
      'nice',
      `{"interactionId":"i","dataActionId":"d","updatedTimestamp":"t","payload":{"attempt":${attempt}}}`,
    )
    return ingress.last.bodyHash.toString('hex')
  }
  expect(await send('retried', 1)).toBe(await send('retried', 2))
  expect(await send('plain', 1)).not.toBe(await send('plain', 2))
})

it('responds with 503, not 401, while keys are missing', async () => {
  const { status, headers } = await post('absent', 'nice', NICE)
  expect([status, headers['retry-after']]).toEqual([503, '5'])
  expect(ingress.table.unavailable).toEqual(['absent'])
  expect(await ingress.metricsText()).toMatch(
    /signatures_total\{source="absent",result="unavailable".*\} [1-9]/,
  )
})

it('reports in shadow mode how a refused request is signed, and still refuses it', async () => {
  const raw = Buffer.from(NICE)
  const headers = signedHeaders(PRESETS['cxone-dataaction'].verifier as HmacSpec, SECRET, raw)
  const send = (source: string) =>
    ingress.call({
      path: `/webhooks/${source}`,
      body: raw,
      headers: { 'content-type': 'application/json', ...headers },
    })
  const answers = await Promise.all(Array.from({ length: 20 }, () => send('shadowed')))
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([403]))
  expect((await send('plain')).status).toBe(401)
  expect(ingress.written).toEqual([])
  const text = await ingress.metricsText()
  const matches =
    /shadow_matches_total\{source="shadowed",preset="cxone-dataaction",encoding="base64",secret_encoding="utf8",secret="0".*\} (\d+)/
  const count = Number(matches.exec(text)?.[1])
  expect(count).toBeGreaterThanOrEqual(10)
  expect(count).toBeLessThan(20)
  expect(text).not.toContain('shadow_looks_total{source="plain"')
})

it('refuses to start with an invalid file, and names the place', () => {
  const bad = join(dir, 'bad.yaml')
  writeFileSync(bad, 'version: 1\nsources:\n  a: { preset: nicer }\n')
  const load = (more: Record<string, string>) => () =>
    loadConfig({ WEIR_PROFILE: 'dev', KAFKA_BROKERS: 'b:1', ...more })
  expect(load({ SOURCES_FILE: bad })).toThrow(/bad\.yaml:3:16: sources\.a\.preset: "nicer" must be one of/)
  writeFileSync(bad, 'version: 1\nsources:\n  a: { preset: nice }\n  b: { preset: cognigy }\n')
  expect(load({ SOURCES_FILE: bad })).toThrow(
    /sources\.a: it has no secrets: give SOURCE_A_SECRETS[^]*sources\.b: anyone could send/,
  )
  expect(load({ SOURCES_FILE: join(dir, 'none.yaml') })).toThrow(/\(SOURCES_FILE\) cannot be read: ENOENT/)
})

describe('ids that are not signed', () => {
  const deliver = async (
    preset: PresetName,
    source: string,
    body: string,
    headers: Record<string, string>,
  ) => {
    ingress.forget()
    expect((await post(source, preset, body, { headers })).status).toBe(200)
    return ingress.last
  }

  it('of Shopify: one event for all subscriptions, and one content for all ids', async () => {
    const body = '{"id":7}'
    const ids = (event: string, webhook: string, topic = 'orders/create') => ({
      'x-shopify-event-id': event,
      'x-shopify-webhook-id': webhook,
      'x-shopify-topic': topic,
    })
    const first = await deliver('shopify', 'shopify', body, ids('e-1', 'w-1'))
    const other = await deliver('shopify', 'shopify', body, ids('e-1', 'w-2'))
    expect(other.eventKey).toEqual(first.eventKey)
    const captured = await deliver('shopify', 'shopify', body, ids('e-2', 'w-3'))
    expect(captured.eventKey).not.toEqual(first.eventKey)
    expect(captured.contentKey).toEqual(first.contentKey)
    expect(captured.entityKey).toBe(first.entityKey)
    const changed = await deliver('shopify', 'shopify', '{"id":7,"more":1}', ids('e-3', 'w-4'))
    expect(changed.contentKey).not.toEqual(first.contentKey)
  })

  it('need no guard if the id is signed, or if the body is the key', async () => {
    expect((await deliver('standard-webhooks', 'hooks', '{}', {})).contentKey).toBeUndefined()
    expect((await deliver('nice', 'retried', NICE_BODY, {})).contentKey).toBeUndefined()
  })
})
