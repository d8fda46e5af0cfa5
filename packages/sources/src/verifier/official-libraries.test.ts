import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { Webhook as StandardWebhook } from 'standardwebhooks'
import Stripe from 'stripe'
import { Webhook as SvixWebhook } from 'svix'
import twilioLibrary from 'twilio'
import { describe, expect, it } from 'vitest'
import type { PresetName } from '../presets/index.ts'
import { SECRET, specOf } from '../testing/official-packages.ts'
import { RequestHeaders } from './content/request-headers.ts'
import { calledUrls, type RequestLine } from './content/request-line.ts'
import type { SignatureSpec } from './spec.ts'
import { createVerifier } from './verifier.ts'

const NOW = Date.now()
const VALID = { kind: 'valid', secret: 0 }
const bodies = fc.json().map((text) => Buffer.from(text))

const judge = (
  spec: SignatureSpec,
  secret: string,
  headers: Readonly<Record<string, string>>,
  raw: Buffer,
  line?: RequestLine,
) => createVerifier(spec, [secret])(RequestHeaders.of(headers), raw, NOW, line)

const forBodies = (check: (raw: Buffer) => void | Promise<void>) =>
  fc.assert(
    fc.asyncProperty(bodies, async (raw) => check(raw)),
    { numRuns: 25 },
  )

describe('a header with more entries is accepted if the library accepts it, and never without a valid one', () => {
  const raw = Buffer.from('{"a":1}')
  const isTaken = (judgeIt: () => unknown): boolean => {
    try {
      judgeIt()
      return true
    } catch {
      return false
    }
  }
  const junk = fc.stringMatching(/^(?:v1a?|v2|x)?[,=]?[A-Za-z0-9+/!=.-]{0,12}$/)

  it('by standardwebhooks and svix, whose secrets may lack their padding', () => {
    const bare = `whsec_${btoa(`${SECRET}!`).replace(/=+$/, '')}`
    expect(bare.length % 4).not.toBe('whsec_'.length % 4)
    const library = new StandardWebhook(bare)
    const good = library.sign('msg_1', new Date(NOW), raw.toString())
    fc.assert(
      fc.property(fc.array(fc.oneof(junk, fc.constant(good)), { maxLength: 5 }), (entries) => {
        fc.pre(entries.join('') !== '')
        for (const [name, prefix] of [
          ['standard-webhooks', 'webhook'],
          ['svix', 'svix'],
        ] as const) {
          const headers = {
            [`${prefix}-id`]: 'msg_1',
            [`${prefix}-timestamp`]: String(Math.floor(NOW / 1_000)),
            [`${prefix}-signature`]: entries.join(' '),
          }
          const byLibrary = isTaken(() =>
            (prefix === 'svix' ? new SvixWebhook(bare) : library).verify(raw.toString(), headers),
          )
          const { kind } = judge(specOf(name), bare, headers, raw)
          if (byLibrary) expect(kind).toBe('valid')
          if (kind === 'valid') expect(entries).toContain(good)
        }
      }),
    )
  })

  it('by stripe', () => {
    const { webhooks } = new Stripe('sk_test_none')
    const payload = raw.toString()
    const [time, good] = webhooks.generateTestHeaderString({ payload, secret: SECRET }).split(',')
    fc.assert(
      fc.property(fc.array(fc.oneof(junk, fc.constant(good!)), { maxLength: 5 }), (entries) => {
        const header = [time, ...entries].join(',')
        const byLibrary = isTaken(() => webhooks.constructEvent(payload, header, SECRET))
        const { kind } = judge(specOf('stripe'), SECRET, { 'stripe-signature': header }, raw)
        if (byLibrary) expect(kind).toBe('valid')
        if (kind === 'valid') expect(entries).toContain(good)
      }),
    )
  })
})

// SendGrid publishes this request with its libraries.
it("accepts SendGrid's own example", () => {
  const key =
    'MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g=='
  const body =
    '[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address","sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA","sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0","smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]\r\n'
  const headers = RequestHeaders.of({
    'x-twilio-email-event-webhook-signature':
      'MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM=',
    'x-twilio-email-event-webhook-timestamp': '1600112502',
  })
  const verify = createVerifier(specOf('sendgrid'), [key])
  expect(verify(headers, Buffer.from(body), 1_600_112_502_000)).toEqual(VALID)
  expect(verify(headers, Buffer.from(body.trim()), 1_600_112_502_000)).toMatchObject({ reason: 'no_match' })
})

// These providers publish neither a package nor an example with a signature: their documents describe the scheme.
it.each<[PresetName, (raw: Buffer) => Record<string, string>]>([
  [
    'zendesk',
    (raw) => {
      const time = new Date(NOW).toISOString()
      const signature = createHmac('sha256', SECRET).update(time).update(raw).digest('base64')
      return { 'x-zendesk-webhook-signature': signature, 'x-zendesk-webhook-signature-timestamp': time }
    },
  ],
  [
    'genesys-open-messaging',
    (raw) => ({
      'x-hub-signature-256': `sha256=${createHmac('sha256', SECRET).update(raw).digest('base64')}`,
    }),
  ],
])('accepts the signature that %s documents', async (name, headersOf) => {
  await forBodies((raw) => {
    expect(judge(specOf(name), SECRET, headersOf(raw), raw)).toEqual(VALID)
    expect(judge(specOf(name), 'another', headersOf(raw), raw)).toMatchObject({ reason: 'no_match' })
  })
})

describe('hubspot', () => {
  const spec = { ...specOf('hubspot'), publicUrl: 'https://hooks.example.com' }
  const headersFor = (url: string, raw: Buffer) => ({
    'x-hubspot-signature-v3': createHmac('sha256', SECRET)
      .update(`POST${url}${raw.toString()}${NOW}`)
      .digest('base64'),
    'x-hubspot-request-timestamp': String(NOW),
  })

  it('signs method, address, body and time, with some escapes of the address undone', () => {
    const raw = Buffer.from('[{"eventId":1}]')
    const line = { method: 'POST', target: '/webhooks/hubspot?next=https%3A%2F%2Fa.example%3Fq%3D1' }
    const url = 'https://hooks.example.com/webhooks/hubspot?next=https://a.example?q%3D1'
    expect(judge(spec, SECRET, headersFor(url, raw), raw, line)).toEqual(VALID)
    for (const other of [
      { ...line, target: '/webhooks/other' },
      { ...line, method: 'PUT' },
    ]) {
      expect(judge(spec, SECRET, headersFor(url, raw), raw, other)).toMatchObject({ reason: 'no_match' })
    }
  })
})

describe('twilio', () => {
  const spec: SignatureSpec = { ...specOf('twilio'), allowSha1: true, publicUrl: 'https://hooks.example.com' }
  const FORM = 'application/x-www-form-urlencoded; charset=UTF-8'
  const { getExpectedTwilioSignature, getExpectedBodyHash, validateRequestWithBody } = twilioLibrary
  const formHeaders = (signature: string) => ({ 'content-type': FORM, 'x-twilio-signature': signature })
  const sha1 = (url: string, params: object) =>
    getExpectedTwilioSignature(SECRET, url, params as Record<string, unknown>)

  it('signs a form: the address and its parameters, in the order of their names', () => {
    const name = fc.stringMatching(/^[A-Za-z0-9_]{1,12}$/)
    const text = fc.string({ unit: 'grapheme', maxLength: 12 }).filter((value) => value.isWellFormed())
    const values = fc.oneof(text, fc.array(text, { minLength: 2, maxLength: 4 }))
    fc.assert(
      fc.property(fc.dictionary(name, values, { noNullPrototype: true }), (params) => {
        const pairs = Object.entries(params).flatMap(([key, value]) =>
          [value].flat().map((one): [string, string] => [key, one]),
        )
        const raw = Buffer.from(new URLSearchParams(pairs).toString())
        const target = '/webhooks/twilio?account=1'
        const line = { method: 'POST', target }
        for (const origin of ['https://hooks.example.com', 'https://hooks.example.com:443']) {
          const headers = formHeaders(sha1(origin + target, params))
          expect(judge(spec, SECRET, headers, raw, line)).toEqual(VALID)
        }
        const headers = formHeaders(sha1(`https://hooks.example.com${target}`, { ...params, more: 'x' }))
        expect(judge(spec, SECRET, headers, raw, line)).toMatchObject({ reason: 'no_match' })
      }),
    )
  })

  it('is accepted with each URL that the library accepts: with or without a port, in each escaping', () => {
    const query = fc
      .array(
        fc.constantFrom('a', '=', '&', "'", '(', ' ', '%27', '%20', '+', '|', '%C3%A9', '"', '*', '/', '?'),
      )
      .map((parts) => parts.join('').replaceAll(' ', '%20').replaceAll('"', '%22'))
    const origin = fc.constantFrom(
      'https://hooks.example.com',
      'https://hooks.example.com:8443',
      'http://h:80',
    )
    fc.assert(
      fc.property(origin, query, fc.nat({ max: 5 }), (publicUrl, text, choice) => {
        const target = text === '' ? '/webhooks/twilio' : `/webhooks/twilio?${text}`
        const own = { ...spec, publicUrl }
        const called = calledUrls(publicUrl)
        const urls = called.candidates(target)
        const signature = sha1(urls[choice % urls.length]!, { Body: 'hi' })
        expect(twilioLibrary.validateRequest(SECRET, signature, publicUrl + target, { Body: 'hi' })).toBe(
          true,
        )
        const line = { method: 'POST', target }
        expect(judge(own, SECRET, formHeaders(signature), Buffer.from('Body=hi'), line)).toEqual(VALID)
        // The content that a capture is known by does not depend on the spelling that it is sent again with.
        const spellings = urls.filter((url) => url.startsWith(`${publicUrl}/`))
        expect(spellings).not.toEqual([])
        for (const spelt of spellings) {
          expect(called.canonical(spelt.slice(publicUrl.length))).toBe(called.canonical(target))
        }
        for (const foreign of [`${publicUrl}${target}x`, `${publicUrl}/other?${text}`]) {
          const forged = formHeaders(sha1(foreign, { Body: 'hi' }))
          expect(judge(own, SECRET, forged, Buffer.from('Body=hi'), line).kind).toBe('invalid')
        }
      }),
    )
  })

  it.each([
    ['https://hooks.example.com:8443', '/w?a=b', 'https://hooks.example.com/w?a=b'],
    ['https://hooks.example.com', "/w?a=it's", 'https://hooks.example.com/w?a=it%27s'],
    ['https://hooks.example.com', '/w?a=%28b+c', 'https://hooks.example.com/w?a=(b%20c'],
    ['http://hooks.example.com:8080', "/w?a='", 'http://hooks.example.com/w?a=%27'],
  ])('called at %s%s, is accepted if %s is signed, as by the library', (publicUrl, target, url) => {
    const signature = sha1(url, { Body: 'hi' })
    expect(twilioLibrary.validateRequest(SECRET, signature, publicUrl + target, { Body: 'hi' })).toBe(true)
    const line = { method: 'POST', target }
    const raw = Buffer.from('Body=hi')
    expect(judge({ ...spec, publicUrl }, SECRET, formHeaders(signature), raw, line)).toEqual(VALID)
  })

  it('signs JSON by the hash in the address, and never without it', () => {
    fc.assert(
      fc.property(fc.json(), (body) => {
        const raw = Buffer.from(body)
        const target = `/webhooks/twilio?bodySHA256=${getExpectedBodyHash(body)}`
        const url = `https://hooks.example.com${target}`
        const headers = { 'content-type': 'application/json', 'x-twilio-signature': sha1(url, {}) }
        expect(judge(spec, SECRET, headers, raw, { method: 'POST', target })).toEqual(VALID)
        expect(validateRequestWithBody(SECRET, headers['x-twilio-signature'], url, body)).toBe(true)
        const other = Buffer.from(`${body} `)
        expect(judge(spec, SECRET, headers, other, { method: 'POST', target }).kind).toBe('invalid')
        const bare = { ...headers, 'x-twilio-signature': sha1('https://hooks.example.com/w', {}) }
        expect(judge(spec, SECRET, bare, raw, { method: 'POST', target: '/w' }).kind).toBe('invalid')
      }),
    )
  })

  it('uses the path that Twilio calls if a proxy has another one', () => {
    const behind = { ...spec, publicUrl: 'https://hooks.example.com/in/twilio' }
    const headers = formHeaders(sha1('https://hooks.example.com/in/twilio?a=1', { Body: 'hi' }))
    const line = { method: 'POST', target: '/webhooks/twilio?a=1' }
    expect(judge(behind, SECRET, headers, Buffer.from('Body=hi'), line)).toEqual(VALID)
  })

  it('signs with SHA-256 if a shared key is used', () => {
    const own = { ...spec, allowSha1: false, algorithm: 'sha256' } as SignatureSpec
    const signature = getExpectedTwilioSignature(
      SECRET,
      'https://hooks.example.com/w',
      { Body: 'hi' },
      'HMAC_SHA256',
    )
    const line = { method: 'POST', target: '/w' }
    expect(judge(own, SECRET, formHeaders(signature), Buffer.from('Body=hi'), line)).toEqual(VALID)
  })

  it('gives no two bodies the same signed content', () => {
    const line = { method: 'POST', target: '/w' }
    for (const raw of [Buffer.from([0x61, 0x3d, 0xff]), Buffer.from('a=%FF'), Buffer.from('a=%zz')]) {
      const headers = formHeaders(sha1('https://hooks.example.com/w', { a: '\ufffd' }))
      expect(judge(spec, SECRET, headers, raw, line).kind).toBe('invalid')
    }
  })
})
