import { once } from 'node:events'
import { connect } from 'node:net'
import { signedHeaders, SOURCES, type SourceName } from '@weir/sources'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { loadConfig } from '../config.ts'
import { TestIngress, type Call } from '../testing/test-ingress.ts'

const SECRET = 'a secret of the tests'
const BODY_BYTES_MAX = 262_144
const ingress = new TestIngress({
  SOURCE_CXONE_SECRETS: `an older secret of theirs,${SECRET}`,
  SOURCE_CXONE_DATAACTION_SECRETS: SECRET,
  SOURCE_NICE_SECRETS: SECRET,
  SOURCE_COGNIGY_CIDRS: '127.0.0.1,127.1.0.0/16',
})
beforeAll(() => ingress.listen())
afterAll(() => ingress.close())
beforeEach(() => ingress.forget())

const BODIES: Record<SourceName, string> = {
  cxone: '{"interactionId":"i-1","eventType":"CALL_CONNECTED","sequenceNumber":1}',
  cognigy: '{"conversationId":"i-1","sessionId":"s","intent":"i","timestamp":1,"userId":"u"}',
  'cxone-dataaction': '{"id":"i-1","type":"dataaction.completed"}',
  nice: '{"interactionId":"i-1","dataActionId":"d","updatedTimestamp":"t"}',
}

const definition = (name: SourceName) => SOURCES.find((source) => source.name === name)!

const signatureOf = (name: SourceName, body: string | Buffer): Readonly<Record<string, string>> => {
  const { verifier } = definition(name)
  return verifier.kind === 'hmac' ? signedHeaders(verifier, SECRET, Buffer.from(body)) : {}
}

const post = (name: SourceName, body: string | Buffer, { headers, ...rest }: Partial<Call> = {}) =>
  ingress.call({
    path: `/webhooks/${name}`,
    body,
    headers: { 'content-type': 'application/json', ...signatureOf(name, body), ...headers },
    ...rest,
  })

describe.each(SOURCES.map(({ name }) => name))('%s', (name) => {
  it('accepts a good request on each of its paths and writes the exact bytes', async () => {
    for (const path of definition(name).paths) {
      const { status, body } = await post(name, BODIES[name], { path })
      expect(status).toBe(200)
      const webhook = ingress.last
      expect(JSON.parse(body)).toEqual({
        status: 'accepted',
        interactionId: 'i-1',
        eventKey: webhook.eventKey.toString('hex'),
      })
      expect(webhook).toMatchObject({ source: name, entityKey: `${name}|i-1`, interactionId: 'i-1' })
      expect(webhook.raw.toString()).toBe(BODIES[name])
    }
  })

  it('keeps authentic but malformed bodies, and responds as the source does', async () => {
    const { status, body } = await post(name, '{"broken":')
    const { intakeError, raw, eventKey } = ingress.last
    const accepted = `{"status":"accepted","eventKey":"${eventKey.toString('hex')}","interactionId":""}`
    expect([status, body]).toEqual(
      {
        cxone: [200, accepted],
        cognigy: [400, '{"error":"Invalid JSON syntax in Cognigy webhook payload"}'],
        'cxone-dataaction': [400, '{"detail":"Malformed JSON"}'],
        nice: [400, '{"detail":"Malformed JSON payload"}'],
      }[name],
    )
    expect(intakeError).toMatchObject({
      reason: 'invalid_json',
      answered: name === 'cxone' ? 'accepted' : 'rejected',
    })
    expect(raw.toString()).toBe('{"broken":')
  })

  it.each(['GET', 'HEAD', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'PROPFIND'])(
    'answers %s with 405 and Allow',
    async (method) => {
      const { status, headers } = await ingress.call({ method, path: `/webhooks/${name}` })
      expect([status, headers.allow]).toEqual([405, 'POST'])
    },
  )

  it.each(['full', 'deadline', 'broker', 'closed'] as const)(
    'answers 503 when the lane says %s',
    async (kind) => {
      ingress.failing = kind
      const { status, headers } = await post(name, BODIES[name])
      expect([status, headers['retry-after']]).toEqual([503, '5'])
    },
  )
})

describe.each(SOURCES.flatMap((source) => (source.verifier.kind === 'hmac' ? [source] : [])))(
  'without a good signature $name',
  (source) => {
    const header = source.verifier.kind === 'hmac' ? source.verifier.header : ''
    const body = BODIES[source.name]
    const good = signatureOf(source.name, body)[header]!

    it.each([
      ['empty', '', source.statusMissing],
      ['short', good.slice(1), source.statusInvalid],
      ['followed by more', `${good}zz`, source.statusInvalid],
      ['joined with itself', `${good}, ${good}`, source.statusInvalid],
      ['sent twice', [good, good], source.statusInvalid],
      ['of another body', signatureOf(source.name, `${body} `)[header]!, source.statusInvalid],
    ])('refuses one that is %s and writes nothing', async (_, value, status) => {
      const answer = await post(source.name, body, { headers: { [header]: value } })
      expect(answer.status).toBe(status)
      expect(answer.body).not.toContain(good)
      expect(ingress.written).toEqual([])
    })

    it('responds alike to every invalid signature', async () => {
      const wrong = [good.slice(1), `${good}zz`, signatureOf(source.name, 'x')[header]!]
      const answers = await Promise.all(
        wrong.map((value) => post(source.name, body, { headers: { [header]: value } })),
      )
      expect(new Set(answers.map((answer) => `${answer.status} ${answer.body}`)).size).toBe(1)
    })
  },
)

it('accepts a signature in upper case, and counts which secret matched', async () => {
  const header = signatureOf('cxone', BODIES.cxone)['x-cxone-signature']!.toUpperCase()
  const before = await ingress.metricsText()
  const { status } = await post('cxone', BODIES.cxone, { headers: { 'x-cxone-signature': header } })
  expect(status).toBe(200)
  const count = (text: string) =>
    Number(
      /weir_ingress_signatures_total\{source="cxone",result="valid",secret="1".*\} (\d+)/.exec(text)?.[1] ??
        0,
    )
  expect(count(await ingress.metricsText())).toBe(count(before) + 1)
})

it('accepts Cognigy only from its addresses, whatever headers a request has', async () => {
  expect((await post('cognigy', BODIES.cognigy, { from: '127.1.2.3' })).status).toBe(200)
  const spoofed = { from: '127.2.0.1', headers: { 'x-forwarded-for': '127.0.0.1' } }
  const { status, body } = await post('cognigy', BODIES.cognigy, spoofed)
  expect([status, body]).toEqual([403, '{"error":"Address not allowed"}'])
})

it.each<[string, number, Partial<Call>]>([
  ['another media type', 415, { headers: { 'content-type': 'text/plain' } }],
  ['no media type', 415, { headers: { 'content-type': '' } }],
  ['a compressed body', 415, { headers: { 'content-encoding': 'gzip' } }],
  ['a body compressed twice', 415, { headers: { 'content-encoding': ['identity', 'gzip'] } }],
  ['an unknown source', 404, { path: '/webhooks/unknown' }],
  ['a slash too many at the end', 404, { path: '/webhooks/cxone/' }],
  ['a slash too many at the start', 404, { path: '//webhooks/cxone' }],
  ['another case', 404, { path: '/webhooks/CXONE' }],
  ['a bad escape', 400, { path: '/webhooks/%zz' }],
])('responds to %s with %i', async (_, status, request) => {
  expect((await post('cxone', BODIES.cxone, request)).status).toBe(status)
  expect(ingress.written).toEqual([])
})

it('accepts a media type with parameters and any JSON type, and ignores a query', async () => {
  for (const type of ['application/json; charset=utf-8', 'application/vnd.cxone+json']) {
    const request = { path: '/webhooks/cxone?tenant=1', headers: { 'content-type': type } }
    expect((await post('cxone', BODIES.cxone, request)).status).toBe(200)
  }
})

it('responds with 413 to a body over the limit and closes, with or without a declared length', async () => {
  const body = `"${'x'.repeat(BODY_BYTES_MAX)}"`
  const told = await post('cxone', body)
  expect([told.status, told.headers.connection]).toEqual([413, 'close'])
  const untold = await post('cxone', body, { headers: { 'transfer-encoding': 'chunked' } })
  expect([untold.status, untold.headers.connection]).toEqual([413, 'close'])
  expect((await post('cxone', `"${'x'.repeat(BODY_BYTES_MAX - 2)}"`)).status).toBe(200)
})

it('serves probes and metrics', async () => {
  const get = (path: string) => ingress.call({ method: 'GET', path })
  expect(await get('/livez')).toMatchObject({ status: 200, body: '{"status":"live"}' })
  expect(await get('/readyz')).toMatchObject({ status: 200, body: '{"status":"ready"}' })
  expect((await get('/metrics')).body).toContain('weir_ingress_requests_total')
})

it.each([
  ['{"a":1,"a":2}', 'unsafe_json'],
  ['{"a":{"b":1,"b":1}}', 'unsafe_json'],
  ['{"__proto__":{}}', 'unsafe_json'],
  ['{"\\u005f_proto__":{}}', 'unsafe_json'],
  ['{"constructor":{"prototype":{}}}', 'unsafe_json'],
  ['{"a":1e400}', 'unsafe_json'],
  ['['.repeat(65) + ']'.repeat(65), 'unsafe_json'],
  ['['.repeat(100_000), 'unsafe_json'],
  [Buffer.from([0x22, 0xff, 0x22]), 'invalid_encoding'],
  ['[]', 'wrong_type'],
])('keeps %s as a dead letter', async (body, reason) => {
  expect((await post('cxone', body)).status).toBe(200)
  expect(ingress.last.intakeError?.reason).toBe(reason)
  expect(Object.keys(Object.prototype)).toEqual([])
})

it('refuses to start without any source, without keys in production, and with a queue smaller than four bodies', () => {
  const load = (env: Record<string, string>) => () => loadConfig({ KAFKA_BROKERS: 'b:1', ...env })
  expect(load({ WEIR_PROFILE: 'dev' })).toThrow(
    /No source is configured.*SOURCE_CXONE_SECRETS.*SOURCE_COGNIGY_CIDRS/,
  )
  expect(load({ SOURCE_NICE_SECRETS: 'short' })).toThrow(/SOURCE_NICE_SECRETS: .*fewer than 16 characters/)
  expect(load({ WEIR_PROFILE: 'dev', SOURCE_COGNIGY_CIDRS: '1.2.3' })).toThrow(
    /SOURCE_COGNIGY_CIDRS: 1.2.3 is not/,
  )
  expect(
    load({
      WEIR_PROFILE: 'dev',
      SOURCE_NICE_SECRETS: 'x',
      INGRESS_QUEUE_BYTES_MAX: '1048576',
      INGRESS_BODY_BYTES_MAX: '900000',
    }),
  ).toThrow(/1048576.*900000/)
})

it('responds with 500 after an internal error, and continues', async () => {
  const { metrics } = ingress.table.find('/webhooks/nice')!
  const failing = vi.spyOn(metrics, 'judged').mockImplementationOnce(() => {
    throw new Error('planted')
  })
  expect(await post('nice', BODIES.nice)).toMatchObject({ status: 500, body: '{"error":"Internal error"}' })
  failing.mockRestore()
  expect((await post('nice', BODIES.nice)).status).toBe(200)
})

it('survives bytes that are not HTTP after a request that has got its response', async () => {
  const socket = connect(ingress.port, '127.0.0.1')
  const closed = once(socket, 'close')
  socket.write('GET /livez HTTP/1.1\r\nhost: weir\r\n\r\n')
  const [first] = (await once(socket, 'data')) as [Buffer]
  expect(first.toString()).toMatch(/^HTTP\/1.1 200 /)
  socket.write('\0\r\n\r\n')
  const [second] = (await once(socket, 'data')) as [Buffer]
  expect(second.toString()).toMatch(/^HTTP\/1.1 400 /)
  await closed
})

it.each([
  [
    'an empty transfer coding',
    'POST /webhooks/nice HTTP/1.1\r\nhost: weir\r\ntransfer-encoding: ,chunked\r\n\r\n0\r\n\r\n',
  ],
  ['HTTP/0.9', 'GET /livez\r\n\r\n'],
])('refuses %s', async (_, bytes) => {
  expect(await ingress.raw(bytes)).toMatch(/^HTTP\/1.1 400 (?![^]*HTTP\/1.1)/)
})

it('accepts a body in chunks, in any spelling of the header', async () => {
  const head =
    'POST /webhooks/nice HTTP/1.1\r\nhost: weir\r\nconnection: close\r\ncontent-type: application/json\r\n'
  expect(await ingress.raw(`${head}Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n`)).toMatch(/^HTTP\/1.1 403 /)
})
