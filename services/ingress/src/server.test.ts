import { decodeReceivedWebhook, type WireRecord } from '@weir/contracts'
import { LaneError, type LaneErrorKind, type Lanes } from '@weir/kafka'
import { createLogger, Metrics } from '@weir/service-kit'
import { sign, SOURCES, type SourceName } from '@weir/sources'
import { beforeEach, describe, expect, it } from 'vitest'
import { loadConfig } from './config.ts'
import { buildServer } from './server.ts'

const SECRET = 'a secret of the tests'
const config = loadConfig({
  WEIR_PROFILE: 'dev',
  KAFKA_BROKERS: 'none:1',
  SOURCE_CXONE_SECRETS: `an older secret of theirs,${SECRET}`,
  SOURCE_CXONE_DATAACTION_SECRETS: SECRET,
  SOURCE_NICE_SECRETS: SECRET,
  SOURCE_COGNIGY_CIDRS: '127.0.0.1,10.0.0.0/8',
})

const BODIES: Record<SourceName, string> = {
  cxone: '{"interactionId":"i-1","eventType":"CALL_CONNECTED","sequenceNumber":1}',
  cognigy: '{"conversationId":"i-1","sessionId":"s","intent":"i","timestamp":1,"userId":"u"}',
  'cxone-dataaction': '{"id":"i-1","type":"dataaction.completed"}',
  nice: '{"interactionId":"i-1","dataActionId":"d","updatedTimestamp":"t"}',
}

let written: WireRecord[] = []
let failing: LaneErrorKind | undefined
const lanes: Lanes = {
  partitions: 4,
  queued: { records: 0, bytes: 0 },
  healthy: true,
  send: (_partition, record) => {
    if (failing !== undefined) return Promise.reject(new LaneError(failing, 'planted'))
    written.push(record)
    return Promise.resolve()
  },
  close: () => Promise.resolve(),
}
const app = buildServer({
  config,
  lanes: () => lanes,
  logger: createLogger('test', 'silent'),
  metrics: new Metrics('test'),
  readiness: () => [],
})

beforeEach(() => {
  written = []
  failing = undefined
})

const definition = (name: SourceName) => SOURCES.find((source) => source.name === name)!

const signatureOf = (name: SourceName, body: string): Record<string, string> => {
  const { verifier } = definition(name)
  return verifier.kind === 'hmac' ? { [verifier.header]: sign(verifier, SECRET, Buffer.from(body)) } : {}
}

const post = (
  name: SourceName,
  body: string | Buffer,
  {
    headers = {},
    url = `/webhooks/${name}`,
    remoteAddress = '127.0.0.1',
  }: {
    headers?: Record<string, string>
    url?: string
    remoteAddress?: string
  } = {},
) =>
  app.inject({
    ...{ method: 'POST', url, remoteAddress, payload: body },
    headers: { 'content-type': 'application/json', ...signatureOf(name, String(body)), ...headers },
  })

describe.each(SOURCES.map(({ name }) => name))('%s', (name) => {
  it('accepts a good request on each of its paths and writes the exact bytes', async () => {
    for (const url of definition(name).paths) {
      const response = await post(name, BODIES[name], { url })
      expect(response.statusCode).toBe(200)
      const webhook = decodeReceivedWebhook(written.at(-1)!)
      expect(response.json()).toEqual({
        ...{ status: 'accepted', interactionId: 'i-1', eventKey: webhook.eventKey.toString('hex') },
      })
      expect(webhook).toMatchObject({ source: name, entityKey: `${name}|i-1`, interactionId: 'i-1' })
      expect(webhook.raw.toString()).toBe(BODIES[name])
    }
  })

  it('keeps what is authentic but malformed, and answers as the source does', async () => {
    const response = await post(name, '{"broken":')
    expect(response.statusCode).toBe(name === 'cxone' ? 200 : 400)
    const { intakeError, raw } = decodeReceivedWebhook(written[0]!)
    expect(intakeError).toMatchObject({
      reason: 'invalid_json',
      answered: name === 'cxone' ? 'accepted' : 'rejected',
    })
    expect(raw.toString()).toBe('{"broken":')
  })

  it.each(['GET', 'PUT', 'DELETE', 'PATCH'] as const)('answers %s with 405 and Allow', async (method) => {
    const response = await app.inject({ method, url: `/webhooks/${name}` })
    expect([response.statusCode, response.headers.allow]).toEqual([405, 'POST'])
  })

  it.each(['full', 'deadline', 'broker', 'closed'] as const)(
    'answers 503 when the lane says %s',
    async (kind) => {
      failing = kind
      const response = await post(name, BODIES[name])
      expect([response.statusCode, response.headers['retry-after']]).toEqual([503, '5'])
    },
  )
})

describe.each(SOURCES.filter(({ verifier }) => verifier.kind === 'hmac'))(
  'without a good signature $name',
  (source) => {
    const header = source.verifier.kind === 'hmac' ? source.verifier.header : ''
    const body = BODIES[source.name]
    const good = signatureOf(source.name, body)[header]!

    it.each([
      ['missing', '', source.statusMissing],
      ['short', good.slice(1), source.statusInvalid],
      ['followed by more', `${good}zz`, source.statusInvalid],
      ['doubled', `${good}, ${good}`, source.statusInvalid],
      ['of another body', signatureOf(source.name, `${body} `)[header]!, source.statusInvalid],
    ])('refuses one that is %s and writes nothing', async (_, value, status) => {
      const response = await post(source.name, body, { headers: { [header]: value } })
      expect(response.statusCode).toBe(status)
      expect(response.body).not.toContain(good)
      expect(written).toEqual([])
    })
  },
)

it('takes a signature in upper case', async () => {
  const header = signatureOf('cxone', BODIES.cxone)['x-cxone-signature']!.toUpperCase()
  const response = await post('cxone', BODIES.cxone, { headers: { 'x-cxone-signature': header } })
  expect(response.statusCode).toBe(200)
})

it('takes Cognigy from its addresses alone', async () => {
  expect((await post('cognigy', BODIES.cognigy, { remoteAddress: '10.1.2.3' })).statusCode).toBe(200)
  expect((await post('cognigy', BODIES.cognigy, { remoteAddress: '::ffff:10.1.2.3' })).statusCode).toBe(200)
  const spoofed = { remoteAddress: '8.8.8.8', headers: { 'x-forwarded-for': '10.1.2.3' } }
  expect((await post('cognigy', BODIES.cognigy, spoofed)).statusCode).toBe(403)
})

it.each([
  ['another media type', 415, { headers: { 'content-type': 'text/plain' } }],
  ['an encoded body', 415, { headers: { 'content-encoding': 'gzip' } }],
  ['an unknown source', 404, { url: '/webhooks/unknown' }],
  ['a bad escape', 400, { url: '/webhooks/%zz' }],
])('answers %s with %i', async (_, status, request) => {
  expect((await post('cxone', BODIES.cxone, request)).statusCode).toBe(status)
  expect(written).toEqual([])
})

it('answers a body over the limit with 413 and closes', async () => {
  const response = await post('cxone', `"${'x'.repeat(config.bodyBytesMax)}"`)
  expect([response.statusCode, response.headers.connection]).toEqual([413, 'close'])
})

it.each([
  ['{"a":1,"a":2}', 'unsafe_json'],
  ['{"__proto__":{}}', 'unsafe_json'],
  ['{"a":1e400}', 'unsafe_json'],
  ['['.repeat(65) + ']'.repeat(65), 'unsafe_json'],
  [Buffer.from([0x22, 0xff, 0x22]), 'invalid_encoding'],
  ['[]', 'wrong_type'],
])('keeps %s for a person', async (body, reason) => {
  const raw = Buffer.from(body)
  const { verifier } = definition('cxone')
  const headers = { 'x-cxone-signature': verifier.kind === 'hmac' ? sign(verifier, SECRET, raw) : '' }
  expect((await post('cxone', raw, { headers })).statusCode).toBe(200)
  expect(decodeReceivedWebhook(written[0]!).intakeError?.reason).toBe(reason)
})

it('refuses to start without any source, without keys in production, and with a queue below its bodies', () => {
  const load = (env: Record<string, string>) => () => loadConfig({ KAFKA_BROKERS: 'b:1', ...env })
  expect(load({ WEIR_PROFILE: 'dev' })).toThrow(/No source is on/)
  expect(load({ SOURCE_NICE_SECRETS: 'short' })).toThrow(/fewer than 16 characters/)
  expect(
    load({
      WEIR_PROFILE: 'dev',
      SOURCE_NICE_SECRETS: 'x',
      INGRESS_QUEUE_BYTES_MAX: '1048576',
      INGRESS_BODY_BYTES_MAX: '900000',
    }),
  ).toThrow(/1048576.*900000/)
})
