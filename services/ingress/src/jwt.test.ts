import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SignJWT, type JWTPayload } from 'jose'
import { HOSTILE_WAYS, hostileServer, ordeal } from '@weir/testkit'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { loadConfig } from './config.ts'
import { TestIngress } from './testing/test-ingress.ts'

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const TENANT = 'https://login.microsoftonline.com/t/v2.0'
const APP = '4962773b-9cdb-44cf-a8bf-237846a00ab7'
const HMAC = 'x'.repeat(32)
let publishes = true
const publisher = createServer((_, response) => {
  const body = JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k' }] })
  response.writeHead(publishes ? 200 : 500).end(body)
})
let ingress: TestIngress
let file: string

const source = (jwksUrl: string) => `
    jwt:
      algorithms: [RS256]
      issuer: ${TENANT}
      audience: api://weir
      claims: { azp: ${APP} }
      ${jwksUrl}
`

beforeAll(async () => {
  await new Promise<void>((resolve) => publisher.listen(0, '127.0.0.1', resolve))
  const address = `jwksUrl: http://127.0.0.1:${(publisher.address() as AddressInfo).port}`
  file = join(mkdtempSync(join(tmpdir(), 'weir-jwt-')), 'sources.yaml')
  const text = `version: 1
builtIn: false
sources:
  grid:
    preset: event-grid${source(`${address}/grid`)}
  given:
    preset: custom${source('')}
  both:
    preset: github${source('')}
  away:
    preset: custom${source(`${address}/away`)}
`
  writeFileSync(file, text)
  const pem = publicKey.export({ format: 'pem', type: 'spki' }) as string
  ingress = new TestIngress({
    SOURCES_FILE: file,
    SOURCE_GIVEN_JWT_KEYS: pem,
    SOURCE_BOTH_JWT_KEYS: pem,
    SOURCE_BOTH_SECRETS: HMAC,
  })
})
afterAll(async () => {
  publisher.close()
  await ingress.close()
})

const bearer = async (claims: JWTPayload = {}) => {
  const token = await new SignJWT({ iss: TENANT, aud: 'api://weir', azp: APP, ...claims })
    .setProtectedHeader({ alg: 'RS256', kid: 'k' })
    .setExpirationTime('5m')
    .sign(privateKey)
  return { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
}
const send = (path: string, body: string, headers: Record<string, string>) =>
  ingress.call({ path: `/webhooks/${path}`, body, headers })
const EVENT = '{"id":"1","type":"t"}'

it('accepts tokens of Entra ID, checked with its published keys', async () => {
  const body = '[{"id":"e-1","topic":"t","subject":"s","eventType":"T","data":{}}]'
  expect((await send('grid', body, await bearer())).status).toBe(200)
  expect(ingress.last.dedupKey).toBe('t:e-1')
  expect((await send('grid', body, await bearer({ azp: 'another' }))).status).toBe(401)
  expect((await send('grid', body, { 'content-type': 'application/json' })).status).toBe(401)
  const metrics = await ingress.metricsText()
  expect(metrics).toContain(
    'weir_ingress_signatures_total{source="grid",result="claim_mismatch",secret="",service="test"} 1',
  )
  expect(metrics).toContain(
    'weir_ingress_signatures_total{source="grid",result="valid",secret="0",service="test"} 1',
  )
})

it('validates a subscription only for requests with a token', async () => {
  const body = JSON.stringify([
    {
      id: 'v',
      topic: 't',
      eventType: 'Microsoft.EventGrid.SubscriptionValidationEvent',
      data: { validationCode: 'c-1' },
    },
  ])
  const more = { 'aeg-event-type': 'SubscriptionValidation' }
  expect((await send('grid', body, { ...(await bearer()), ...more })).body).toContain('c-1')
  const stranger = await send('grid', body, { 'content-type': 'application/json', ...more })
  expect(stranger.status).toBe(401)
  expect(stranger.body).not.toContain('c-1')
})

it('responds with 503 while keys are unavailable, and stores nothing', async () => {
  publishes = false
  ingress.forget()
  const answer = await send('away', EVENT, await bearer())
  expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '5' } })
  expect(ingress.written).toEqual([])
  publishes = true
  await expect
    .poll(async () => (await send('away', EVENT, await bearer())).status, { timeout: 10_000 })
    .toBe(200)
})

it('responds with 503 in bounded time and memory whatever the key server sends', async () => {
  const ports = await Promise.all(HOSTILE_WAYS.map((way) => hostileServer('http', way)))
  const sources = ports.map(
    (port, index) => `  hostile-${index}:\n    preset: custom${source(`jwksUrl: http://127.0.0.1:${port}`)}`,
  )
  const hostile = join(mkdtempSync(join(tmpdir(), 'weir-jwt-')), 'sources.yaml')
  writeFileSync(hostile, `version: 1\nbuiltIn: false\nsources:\n${sources.join('\n')}`)
  const other = new TestIngress({ SOURCES_FILE: hostile })
  await other.listen()
  try {
    const headers = await bearer()
    const asked = HOSTILE_WAYS.map(async (way, index) => ({
      way,
      ...(await ordeal(() => other.call({ path: `/webhooks/hostile-${index}`, body: EVENT, headers }))),
    }))
    for (const { way, outcome, ms, grownBytes } of await Promise.all(asked)) {
      expect([way, outcome]).toMatchObject([way, { status: 503 }])
      expect(ms).toBeLessThan(20_000)
      expect(grownBytes).toBeLessThan(100_000_000)
    }
    expect(other.written).toEqual([])
  } finally {
    await other.close()
  }
})

it('accepts configured keys, and requires a signature in addition if the preset has one', async () => {
  expect((await send('given', EVENT, await bearer())).status).toBe(200)
  expect((await send('given', EVENT, {})).status).not.toBe(200)
  expect((await send('both', EVENT, await bearer())).status).toBe(401)
})

it.each([
  ['jwksUrl: http://k.example/keys', { WEIR_PROFILE: 'production' }, /begins with http:\/\/.*Use https/],
  ['', {}, /its tokens cannot be checked without keys: give SOURCE_S_JWT_KEYS or jwt.jwksUrl/],
  ['', { SOURCE_S_JWT_KEYS: 'no-key' }, /SOURCE_S_JWT_KEYS: key 0 must be/],
  ['jwksUrl: ftp://k.example', {}, /must be an https:\/\/ address/],
  ['jwksUrl: https://user:word@k.example', {}, /must be an https:\/\/ address/],
  ['jwksUrl: https://k.example', { SOURCE_S_TOKEN: 't' }, /SOURCE_S_TOKEN: the JWT uses the same header/],
])('does not start with %s %j', (jwksUrl, env, message) => {
  const bad = join(mkdtempSync(join(tmpdir(), 'weir-jwt-')), 'sources.yaml')
  writeFileSync(bad, `version: 1\nbuiltIn: false\nsources:\n  s:\n    preset: custom${source(jwksUrl)}`)
  const settings = { WEIR_PROFILE: 'dev', KAFKA_BROKERS: 'k:1', BODY_HASH_KEY: HMAC, SOURCES_FILE: bad }
  expect(() => loadConfig({ ...settings, ...env })).toThrow(message)
})
