import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deflateSync, gzipSync } from 'node:zlib'
import { jsonBody } from '@weir/contracts'
import { PRESETS, signedHeaders, type HmacSpec, type PresetName } from '@weir/sources'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { TestIngress } from '../testing/test-ingress.ts'

/** What bodies may be besides JSON under its own name: media types, forms and compressions, as a source is set up. */
const SECRET = 'a secret of the tests'
const FORM = 'application/x-www-form-urlencoded'
const dir = mkdtempSync(join(tmpdir(), 'weir-content-'))
const file = join(dir, 'sources.yaml')
writeFileSync(
  file,
  `version: 1
sources:
  sns: { preset: custom, contentTypes: [text/plain] }
  studio: { preset: nice, contentTypes: [application/json, ${FORM}] }
  suffixed: { preset: custom, contentTypes: [application/*+json] }
  github: { preset: github }
  slack: { preset: slack }
  zipped: { preset: custom, acceptEncodings: [gzip] }
  small: { preset: custom, acceptEncodings: [gzip, deflate], bodyBytesMax: 1024 }
  plain: { preset: custom }
`,
)
const names = ['SNS', 'STUDIO', 'SUFFIXED', 'GITHUB', 'SLACK', 'ZIPPED', 'SMALL', 'PLAIN']
const ingress = new TestIngress({
  SOURCES_FILE: file,
  ...Object.fromEntries(names.map((name) => [`SOURCE_${name}_SECRETS`, SECRET])),
})
beforeAll(() => ingress.listen())
afterAll(async () => {
  await ingress.close()
  rmSync(dir, { recursive: true })
})
beforeEach(() => ingress.forget())

interface Sent {
  readonly type?: string
  readonly coding?: string
  readonly preset?: PresetName
}

const post = (source: string, body: string | Buffer, { type, coding, preset = 'custom' }: Sent = {}) =>
  ingress.call({
    path: `/webhooks/${source}`,
    body,
    headers: {
      'content-type': type ?? 'application/json',
      ...(coding !== undefined && { 'content-encoding': coding }),
      ...signedHeaders(PRESETS[preset].verifier as HmacSpec, SECRET, Buffer.from(body)),
    },
  })

const BODY = '{"id":"i-1","type":"t"}'
const NICE = '{"interactionId":"i-1","dataActionId":"d","updatedTimestamp":"t"}'

const expectTaken = (body: string | Buffer, json: string): void => {
  const { raw, bodyForm, interactionId, intakeError } = ingress.last
  expect(intakeError).toBeUndefined()
  expect(interactionId).toBe('i-1')
  expect(raw).toEqual(Buffer.from(body))
  expect(jsonBody({ raw, bodyForm }).toString()).toBe(json)
}

describe('media types', () => {
  it.each<[string, string, PresetName, string, number]>([
    ['sns', 'text/plain; charset=UTF-8', 'custom', BODY, 200],
    ['sns', 'TEXT/PLAIN', 'custom', BODY, 200],
    ['sns', 'application/json', 'custom', BODY, 415],
    ['studio', FORM, 'nice', NICE, 200],
    ['studio', `${FORM}; charset=utf-8`, 'nice', NICE, 200],
    ['studio', 'application/json', 'nice', NICE, 200],
    ['studio', 'text/plain', 'nice', NICE, 415],
    ['suffixed', 'application/cloudevents+json', 'custom', BODY, 200],
    ['suffixed', 'application/vnd.a.b-c+json;v=1', 'custom', BODY, 200],
    ['suffixed', 'application/json', 'custom', BODY, 415],
    ['plain', 'application/problem+json', 'custom', BODY, 200],
    ['plain', FORM, 'custom', BODY, 415],
    ['plain', 'application/jsonp', 'custom', BODY, 415],
    ['plain', 'text/json', 'custom', BODY, 415],
  ])('%s answers %s of preset %s', async (source, type, preset, body, status) => {
    expect((await post(source, body, { type, preset })).status).toBe(status)
    if (status === 200) expectTaken(body, body)
    else expect(ingress.written).toEqual([])
  })
})

describe('forms', () => {
  const github = (body: string) =>
    ingress.call({
      path: '/webhooks/github',
      body,
      headers: {
        'content-type': FORM,
        'x-github-delivery': 'd-1',
        'x-github-event': 'push',
        ...signedHeaders(PRESETS.github.verifier as HmacSpec, SECRET, Buffer.from(body)),
      },
    })

  it('of GitHub have the event in their payload, and their raw bytes are signed', async () => {
    const json = '{"repository":{"full_name":"i-1"},"n":1524831183200260097,"s":"a b+ü"}'
    const body = `payload=${encodeURIComponent(json).replaceAll('%20', '+')}`
    expect((await github(body)).status).toBe(200)
    expectTaken(body, json)
    expect(ingress.last.bodyForm).toEqual({ layout: 'payload' })
  })

  it('that are malformed are kept as dead letters', async () => {
    for (const [body, reason] of [
      ['payload=%7B%22a%22', 'invalid_json'],
      ['payload=%zz', 'invalid_encoding'],
      ['other=1', 'invalid_encoding'],
      ['', 'invalid_encoding'],
      ['payload=1', 'wrong_type'],
    ] as const) {
      expect((await github(body)).status).toBe(400)
      expect(ingress.last.intakeError?.reason).toBe(reason)
      expect(ingress.last.raw.toString()).toBe(body)
    }
  })

  it('of Slack’s commands become an object of texts', async () => {
    const body = 'team_id=T1&channel_id=i-1&command=%2Fweather&text=94070+now&trigger_id=13345224609'
    const now = Math.floor(Date.now() / 1_000)
    const { verifier } = PRESETS.slack
    const headers = signedHeaders(verifier as HmacSpec, SECRET, Buffer.from(body), { now: now * 1_000 })
    const answer = await ingress.call({
      path: '/webhooks/slack',
      body,
      headers: { 'content-type': FORM, ...headers },
    })
    expect([answer.status, answer.body]).toEqual([200, ''])
    expectTaken(
      body,
      '{"team_id":"T1","channel_id":"i-1","command":"/weather","text":"94070 now","trigger_id":"13345224609"}',
    )
    expect(ingress.last.eventType).toBe('/weather')
  })
})

it.each<[string, PresetName, string]>([
  ['slack', 'slack', '{"event_id":"Ev1","team_id":"T1","event":{"type":"message","channel":"C1"}}'],
  ['github', 'github', '{"repository":{"full_name":"o/r"},"action":"opened"}'],
  ['slack', 'slack', '[{"event_id":"Ev1"}]'],
])(
  'signed JSON of %s is the same event or letter under any media type, which nobody signs',
  async (name, preset, body) => {
    const now = Math.floor(Date.now() / 1_000) * 1_000
    const signed = signedHeaders(PRESETS[preset].verifier as HmacSpec, SECRET, Buffer.from(body), { now })
    for (const type of ['application/json', FORM, `${FORM}; charset=utf-8`, 'application/x+json']) {
      const headers = { 'content-type': type, 'x-github-delivery': 'd', ...signed }
      await ingress.call({ path: `/webhooks/${name}`, body, headers })
    }
    const [first, ...others] = ingress.all
    expect(others).toHaveLength(3)
    for (const { eventKey, entityKey, bodyHash, contentKey } of others) {
      expect({ eventKey, entityKey, bodyHash, contentKey }).toEqual({
        eventKey: first!.eventKey,
        entityKey: first!.entityKey,
        bodyHash: first!.bodyHash,
        contentKey: first!.contentKey,
      })
    }
  },
)

describe('compressed bodies', () => {
  const zip = gzipSync(BODY)

  it('are accepted if a source allows them, with a signature over the compressed bytes', async () => {
    expect((await post('zipped', zip, { coding: 'gzip' })).status).toBe(200)
    expectTaken(zip, BODY)
    expect((await post('zipped', zip, { coding: 'X-GZIP' })).status).toBe(200)
    expect((await post('zipped', BODY, { coding: 'identity' })).status).toBe(200)
    expectTaken(BODY, BODY)
    const deflated = deflateSync(BODY)
    expect((await post('small', deflated, { coding: 'deflate' })).status).toBe(200)
    expectTaken(deflated, BODY)
  })

  it('are the same event under another compression', async () => {
    await post('zipped', zip, { coding: 'gzip' })
    const first = ingress.last
    await post('zipped', gzipSync(BODY, { level: 0 }), { coding: 'gzip' })
    await post('zipped', BODY)
    expect(ingress.all).toHaveLength(3)
    for (const { eventKey, bodyHash } of ingress.all) {
      expect([eventKey, bodyHash]).toEqual([first.eventKey, first.bodyHash])
    }
  })

  it.each([
    ['zipped', 'deflate', 'gzip'],
    ['zipped', 'br', 'gzip'],
    ['zipped', 'gzip, gzip', 'gzip'],
    ['zipped', '', 'gzip'],
    ['plain', 'gzip', 'identity'],
  ])(
    'of %s under %s are refused, and the response names the accepted codings',
    async (source, coding, taken) => {
      const { status, headers } = await post(source, zip, { coding })
      expect([status, headers['accept-encoding']]).toEqual([415, taken])
      expect(ingress.written).toEqual([])
    },
  )

  it('whose signature covers the decompressed bytes are refused', async () => {
    const headers = signedHeaders(PRESETS.custom.verifier as HmacSpec, SECRET, Buffer.from(BODY))
    const { status } = await ingress.call({
      path: '/webhooks/zipped',
      body: zip,
      headers: { 'content-type': 'application/json', 'content-encoding': 'gzip', ...headers },
    })
    expect(status).toBe(401)
  })

  it('that decompress beyond the limit are refused with 413, and those that are not gzip are kept', async () => {
    const bomb = gzipSync(Buffer.alloc(50_000_000, 0x20))
    expect((await post('zipped', bomb, { coding: 'gzip' })).status).toBe(413)
    expect((await post('small', gzipSync(`${BODY}${' '.repeat(2_000)}`), { coding: 'gzip' })).status).toBe(
      413,
    )
    expect(ingress.written).toEqual([])
    expect((await post('zipped', BODY, { coding: 'gzip' })).status).toBe(400)
    expect(ingress.last.intakeError).toMatchObject({ reason: 'invalid_encoding', detail: 'not valid gzip' })
  })
})

it('accepts a byte order mark from any source', async () => {
  const body = `\uFEFF${BODY}`
  expect((await post('plain', body)).status).toBe(200)
  expectTaken(body, BODY)
})
