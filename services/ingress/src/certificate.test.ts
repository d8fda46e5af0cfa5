import { createHmac } from 'node:crypto'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { loadConfig } from './config.ts'
import { TestIngress } from './testing/test-ingress.ts'

const PROXY = '10.0.0.5'
const STRANGER = '203.0.113.9'
const SECRET = 'x'.repeat(32)
const HASH = 'ab12'.repeat(16)
const HEADER = 'x-forwarded-client-cert'
const GOOD = `By=spiffe://weir;Hash=${HASH};Subject="CN=sender,O=Acme";URI=spiffe://acme/sender`
const EVENT = '{"id":"1","type":"t"}'

const fileOf = (sources: string): string => {
  const file = join(mkdtempSync(join(tmpdir(), 'weir-certificate-')), 'sources.yaml')
  writeFileSync(file, `version: 1\nbuiltIn: false\nsources:\n${sources}`)
  return file
}
const xfcc = `clientCertificate: { header: X-Forwarded-Client-Cert, form: xfcc, identities: ['URI=spiffe://acme/sender'] }`
let ingress: TestIngress

beforeAll(() => {
  const file = fileOf(`
  plain: { preset: custom, ${xfcc} }
  both: { preset: github, ${xfcc} }
  grid: { preset: event-grid, ${xfcc} }
  strict: { preset: custom, responseProfile: cxone-dataaction, ${xfcc} }
  graph: { preset: custom, handshake: microsoft-graph, ${xfcc} }
  token: { preset: custom, ${xfcc} }
  jwt: { preset: custom, ${xfcc}, jwt: { algorithms: [RS256], issuer: i, audience: a, jwksUrl: 'http://127.0.0.1:1/keys' } }
  subject: { preset: custom, clientCertificate: { header: x-ssl-client-s-dn, form: subject, identities: ['CN=sender,O=Acme'] } }
  print: { preset: custom, clientCertificate: { header: x-ssl-client-sha256, form: fingerprint, identities: ['${HASH}'] } }
`)
  ingress = new TestIngress({
    SOURCES_FILE: file,
    INGRESS_TRUSTED_PROXIES: '10.0.0.0/24,fd00::/8',
    SOURCE_BOTH_SECRETS: SECRET,
    SOURCE_TOKEN_TOKEN: 'the-token',
  })
})
afterAll(() => ingress.close())
beforeEach(() => ingress.forget())

const send = async (
  source: string,
  headers: Record<string, string | readonly string[]>,
  { from = PROXY, body = EVENT } = {},
) => {
  const { status } = await ingress.call({
    path: `/webhooks/${source}`,
    body,
    from,
    headers: { 'content-type': 'application/json', ...headers },
  })
  expect(ingress.written.length > 0).toBe(status === 200)
  return status
}

it('accepts a listed certificate that the proxy reports, without further proof', async () => {
  expect(await send('plain', { [HEADER]: GOOD })).toBe(200)
  ingress.forget()
  expect(await send('plain', { [HEADER]: GOOD }, { from: '::ffff:10.0.0.5' })).toBe(200)
  ingress.forget()
  expect(await send('plain', { [HEADER]: GOOD }, { from: 'fd00::1' })).toBe(200)
  ingress.forget()
  expect(await send('subject', { 'x-ssl-client-s-dn': 'CN=sender,O=Acme' })).toBe(200)
  ingress.forget()
  expect(await send('print', { 'x-ssl-client-sha256': HASH.toUpperCase() })).toBe(200)
  ingress.forget()
  const events = '[{"id":"e-1","topic":"t","subject":"s","eventType":"T","data":{}}]'
  expect(await send('grid', { [HEADER]: GOOD }, { body: events })).toBe(200)
})

it.each([
  ['from a stranger', { [HEADER]: GOOD }, STRANGER],
  ['from a stranger who names a proxy', { [HEADER]: GOOD, 'x-forwarded-for': PROXY }, STRANGER],
  ['from a stranger who names many', { [HEADER]: GOOD, 'x-forwarded-for': `${PROXY}, ${PROXY}` }, STRANGER],
  ['from a stranger with a Forwarded header', { [HEADER]: GOOD, forwarded: `for=${PROXY}` }, STRANGER],
  ['without it', {}, PROXY],
  ['empty', { [HEADER]: '' }, PROXY],
  ['twice the same', { [HEADER]: [GOOD, GOOD] }, PROXY],
  ['the good one and then another', { [HEADER]: [GOOD, 'URI=spiffe://other'] }, PROXY],
  ['another and then the good one', { [HEADER]: ['URI=spiffe://other', GOOD] }, PROXY],
  ['of somebody else', { [HEADER]: 'URI=spiffe://other' }, PROXY],
  ['of the client, before what the proxy adds', { [HEADER]: `${GOOD},URI=spiffe://other` }, PROXY],
  ['with a quote that the client left open', { [HEADER]: `${GOOD};Subject=",URI=spiffe://other` }, PROXY],
  ['under another name', { 'x-ssl-client-s-dn': 'CN=sender,O=Acme' }, PROXY],
])('refuses a certificate %s', async (_, headers, from) => {
  for (const source of ['plain', 'grid', 'graph', 'strict'])
    expect(await send(source, headers, { from })).toBe(401)
})

it('cannot distinguish a header of the client that the proxy passes on, so the proxy must overwrite it', async () => {
  expect(await send('plain', { [HEADER]: GOOD, 'x-forwarded-for': STRANGER })).toBe(200)
})

it('requires the signature or the token in addition', async () => {
  const signature = `sha256=${createHmac('sha256', SECRET).update(EVENT).digest('hex')}`
  const github = { 'x-hub-signature-256': signature, 'x-github-event': 'push', 'x-github-delivery': 'd-1' }
  expect(await send('both', { [HEADER]: GOOD })).toBe(401)
  expect(await send('both', github)).toBe(401)
  expect(await send('both', { ...github, [HEADER]: GOOD }, { from: STRANGER })).toBe(401)
  expect(await send('both', { ...github, [HEADER]: GOOD })).toBe(200)
  ingress.forget()
  expect(await send('token', { [HEADER]: GOOD })).toBe(401)
  expect(await send('token', { authorization: 'Bearer the-token' })).toBe(401)
  expect(await send('token', { [HEADER]: GOOD, authorization: 'Bearer the-token' })).toBe(200)
})

it('requires the JWT in addition, and fetches no keys for a request with a wrong certificate', async () => {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const authorization = `Bearer ${part({ alg: 'RS256' })}.${part({ iss: 'i' })}.AAAA`
  expect(await send('jwt', { authorization }, { from: STRANGER })).toBe(401)
  expect(await send('jwt', { authorization, [HEADER]: 'URI=spiffe://other' })).toBe(401)
  expect(await send('jwt', { [HEADER]: GOOD })).toBe(401)
  expect(await send('jwt', { authorization, [HEADER]: GOOD })).toBe(503)
})

it('responds to handshakes only of listed certificates', async () => {
  const ask = (headers: Record<string, string>, from: string) =>
    ingress.call({ path: '/webhooks/graph?validationToken=t-1', headers, from })
  expect(await ask({ [HEADER]: GOOD }, PROXY)).toMatchObject({ status: 200, body: 't-1' })
  for (const [headers, from] of [
    [{ [HEADER]: GOOD }, STRANGER],
    [{}, PROXY],
  ] as const) {
    const answer = await ask(headers, from)
    expect(answer.status).not.toBe(200)
    expect(answer.body).not.toContain('t-1')
  }
})

it('counts the results of certificate checks', async () => {
  const text = await ingress.metricsText()
  for (const found of ['good', 'stranger', 'missing', 'malformed', 'not_listed'])
    expect(text).toContain(`weir_ingress_signatures_total{source="plain",result="certificate_${found}"`)
})

const settings = { WEIR_PROFILE: 'dev', KAFKA_BROKERS: 'k:1', BODY_HASH_KEY: SECRET }
const given = (form: string, identity: string) =>
  `clientCertificate: { header: x-c, form: ${form}, identities: ['${identity}'] }`

it.each([
  ['0.0.0.0/0', true],
  ['10.0.0.5,0.0.0.0/0', true],
  ['0.0.0.0/1,128.0.0.0/1', true],
  ['::/0', true],
  ['::ffff:0:0/96', true],
  ['10.0.0.0/8', false],
  ['fc00::/7,127.0.0.1', false],
])(
  'believes no certificates that proxies in %s report, in no profile: %s',
  (INGRESS_TRUSTED_PROXIES, isRefused) => {
    for (const WEIR_PROFILE of ['dev', 'production']) {
      const start = (entry: string, allowed = {}) => {
        const SOURCES_FILE = fileOf(`  s: { preset: custom, ${entry} }\n`)
        const given = { ...settings, WEIR_PROFILE, SOURCES_FILE, INGRESS_TRUSTED_PROXIES, ...allowed }
        return () => loadConfig({ ...given, ALLOW_WEAK_CREDENTIALS: 'true' })
      }
      if (isRefused)
        expect(start(xfcc)).toThrow(
          /INGRESS_TRUSTED_PROXIES is .*: anyone can forge .* the client certificate/,
        )
      else expect(start(xfcc)).not.toThrow()
      expect(start(xfcc, { ALLOW_ANY_PROXY: 'true' })).not.toThrow()
      if (WEIR_PROFILE === 'dev') expect(start('cidrs: [203.0.113.0/24], unsigned: true')).not.toThrow()
    }
  },
)

it.each([
  [
    xfcc,
    /header is x-forwarded-client-cert and INGRESS_TRUSTED_PROXIES is empty.*Give INGRESS_TRUSTED_PROXIES/,
  ],
  [
    given('xfcc', 'spiffe://a'),
    /identities\.0: "spiffe:\/\/a" is not an identity of `form: xfcc`: write Hash=/,
  ],
  [given('xfcc', 'By=spiffe://a'), /By=spiffe:\/\/a" is not an identity of/],
  [given('xfcc', 'Hash=abc'), /Hash=abc" is not an identity of/],
  [given('fingerprint', 'a'.repeat(40)), /a{40}" is not an identity of .*64 hexadecimal digits/],
  [given('subject', 'CN=Müller'), /CN=Müller" is not an identity of .*ASCII/],
  [given('dn', 'CN=a'), /must be one of xfcc, subject, fingerprint/],
  ['clientCertificate: { header: x-c, form: subject, identities: [] }', /at least one identity/],
])('does not start with %s', (entry, message) => {
  const SOURCES_FILE = fileOf(`  s: { preset: custom, ${entry} }\n`)
  expect(() => loadConfig({ ...settings, SOURCES_FILE })).toThrow(message)
})
