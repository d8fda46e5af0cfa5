import { generateKeyPairSync, sign as signEd25519 } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { PRESETS, type PresetName } from '../presets/index.ts'
import { RequestHeaders } from './content/request-headers.ts'
import { sign, signedHeaders } from './sign.ts'
import { hmacOverBody, type Ed25519Spec, type HmacSpec, type SignatureSpec } from './spec.ts'
import { createVerifier } from './verifier.ts'

const specOf = (name: PresetName): HmacSpec => {
  const { verifier } = PRESETS[name]
  if (verifier.kind !== 'hmac') throw new TypeError(`${name} does not sign`)
  return verifier
}

const judge = (
  spec: SignatureSpec,
  secrets: readonly string[],
  headers: Readonly<Record<string, string>>,
  body: string | Buffer,
  now = Date.now(),
) => createVerifier(spec, secrets)(RequestHeaders.of(headers), Buffer.from(body), now)

describe('published examples', () => {
  it('of GitHub', () => {
    const signature = 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17'
    const headers = { 'X-Hub-Signature-256': signature }
    expect(judge(specOf('github'), ["It's a Secret to Everybody"], headers, 'Hello, World!').kind).toBe(
      'valid',
    )
  })

  it('of Slack', () => {
    const body =
      'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c'
    const headers = {
      'x-slack-signature': 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503',
      'x-slack-request-timestamp': '1531420618',
    }
    const secrets = ['8f742231b10e8888abcd99yyyzzz85a5']
    expect(judge(specOf('slack'), secrets, headers, body, 1_531_420_618_000).kind).toBe('valid')
    expect(judge(specOf('slack'), secrets, headers, body)).toMatchObject({
      reason: 'timestamp_outside_tolerance',
    })
  })

  it('of Standard Webhooks', () => {
    const headers = {
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    }
    const body = '{"test": 2432232314}'
    const spec = specOf('standard-webhooks')
    for (const secret of ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw']) {
      expect(judge(spec, [secret], headers, body, 1_614_265_330_000).kind).toBe('valid')
    }
  })

  // RFC 4231, test case 2.
  it.each([
    ['sha256', '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843'],
    [
      'sha512',
      '164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737',
    ],
  ] as const)('of HMAC with %s', (algorithm, signature) => {
    const spec = hmacOverBody('x-signature', 'hex', { algorithm })
    const body = 'what do ya want for nothing?'
    expect(judge(spec, ['Jefe'], { 'x-signature': signature }, body)).toEqual({ kind: 'valid', secret: 0 })
    expect(judge(spec, ['Jefe'], { 'x-signature': signature.toUpperCase() }, body).kind).toBe('valid')
  })

  // RFC 8032, section 7.1, test 2.
  it('of ed25519', () => {
    const signature =
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00'
    const key = '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c'
    const headers = { 'x-signature': signature }
    expect(judge(ED25519, [key], headers, 'r').kind).toBe('valid')
    expect(judge(ED25519, [key], headers, 's')).toMatchObject({ reason: 'no_match' })
  })
})

const ED25519: Ed25519Spec = {
  kind: 'ed25519',
  header: 'x-signature',
  encoding: 'hex',
  prefix: '',
  form: 'single',
  label: '',
  content: '{body}',
  secretEncoding: 'hex',
}

/** Neither Stripe, Shopify nor NICE publish an example: these were computed with `openssl dgst -hmac`. */
describe('examples of another implementation', () => {
  const body = '{"id":"evt-1","type":"dataaction.completed"}'
  const hex = '0bdd5f806862f2dee365a8cd82588bf3a10fd5e79fd89935eb4b9e9c73dde8c1'
  const timed = '1d319a252d3d42cc0ea20690212c842518767eeaf885e1fcbfeac2b943f3e90b'
  it.each<[PresetName, Record<string, string>]>([
    ['cxone', { 'x-cxone-signature': hex }],
    ['nice', { 'x-nice-signature': hex }],
    ['cxone-dataaction', { 'x-nice-webhook-signature': 'C91fgGhi8t7jZajNgliL86EP1eef2Jk160uenHPd6ME=' }],
    ['shopify', { 'x-shopify-hmac-sha256': 'C91fgGhi8t7jZajNgliL86EP1eef2Jk160uenHPd6ME=' }],
    ['stripe', { 'stripe-signature': `t=1700000000,v1=${timed},v0=${hex}` }],
    ['nice-expert', { 'x-nexus-signature-256': `sha256=${timed}`, 'x-nexus-timestamp': '1700000000' }],
  ])('%s', (name, headers) => {
    expect(judge(specOf(name), ['a shared secret'], headers, body, 1_700_000_000_000)).toEqual({
      kind: 'valid',
      secret: 0,
    })
  })
})

describe('while secrets rotate', () => {
  it.each<[PresetName, string, string]>([
    ['nice', 'the old secret', 'the new secret'],
    ['standard-webhooks', `whsec_${btoa('the old secret')}`, `whsec_${btoa('the new secret')}`],
    ['stripe', 'whsec_old', 'whsec_new'],
  ])('%s accepts the old secret, the new one or both, and no longer a retired one', (name, old, fresh) => {
    const spec = specOf(name)
    const raw = Buffer.from('{}')
    const [byOld, byNew] = [old, fresh].map((secret) => signedHeaders(spec, secret, raw))
    expect(judge(spec, [old, fresh], byOld!, raw)).toEqual({ kind: 'valid', secret: 0 })
    expect(judge(spec, [old, fresh], byNew!, raw)).toEqual({ kind: 'valid', secret: 1 })
    expect(judge(spec, [fresh], byOld!, raw)).toMatchObject({ reason: 'no_match' })
    if (spec.form === 'single') return
    const [one, other] = [byOld![spec.header]!, byNew![spec.header]!]
    const both = spec.form === 'list' ? `${one} ${other}` : `${one},${other.replace(/^t=\d+,/, '')}`
    expect(judge(spec, [fresh], { ...byOld, [spec.header]: both }, raw)).toEqual({ kind: 'valid', secret: 0 })
  })
})

describe('ed25519 signatures of Standard Webhooks', () => {
  const spec = specOf('standard-webhooks')
  const trusted = generateKeyPairSync('ed25519')
  const other = generateKeyPairSync('ed25519')
  const publicText = ({ publicKey }: typeof trusted) =>
    `whpk_${publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64')}`
  const now = 1_700_000_000_000
  const signedBy = ({ privateKey }: typeof trusted, label = 'v1a') => ({
    'webhook-id': 'msg_1',
    'webhook-timestamp': '1700000000',
    'webhook-signature': `${label},${signEd25519(null, Buffer.from('msg_1.1700000000.{}'), privateKey).toString('base64')}`,
  })

  it('are valid only with a trusted key, and never with a key in the request', () => {
    expect(judge(spec, [publicText(trusted)], signedBy(trusted), '{}', now).kind).toBe('valid')
    const headers = { ...signedBy(other), 'webhook-public-key': publicText(other) }
    expect(judge(spec, [publicText(trusted)], headers, '{}', now)).toMatchObject({ reason: 'no_match' })
  })

  it('are not accepted as the other kind', () => {
    const secret = `whsec_${btoa('a secret')}`
    expect(judge(spec, [secret], signedBy(trusted), '{}', now)).toMatchObject({ reason: 'no_match' })
    expect(judge(spec, [publicText(trusted)], signedBy(trusted, 'v1'), '{}', now)).toMatchObject({
      reason: 'malformed',
    })
    expect(judge(spec, [secret], signedBy(trusted, 'v2'), '{}', now)).toMatchObject({ reason: 'malformed' })
  })
})

describe('timestamps', () => {
  const spec = specOf('slack')
  const raw = Buffer.from('{}')
  const NOW = 1_700_000_000_000
  const at = (timestamp: string) => {
    const content = Buffer.from(`v0:${timestamp}:{}`)
    const signature = sign(hmacOverBody('x', 'hex', { prefix: 'v0=' }), 's', content)
    return judge(
      spec,
      ['s'],
      { 'x-slack-signature': signature, 'x-slack-request-timestamp': timestamp },
      raw,
      NOW,
    )
  }

  it.each([-299, 0, 299])('of %i s are accepted', (offset) => {
    expect(at(String(1_700_000_000 + offset)).kind).toBe('valid')
  })

  it.each([-301, 301])('of %i s are refused', (offset) => {
    expect(at(String(1_700_000_000 + offset))).toMatchObject({ reason: 'timestamp_outside_tolerance' })
  })

  it.each([
    '1700000000abc',
    '17e8',
    '1e9',
    '-1',
    '+1700000000',
    '1700000000.0',
    '1700000000000',
    '0x65',
    ' 1700000000',
  ])('as %s are refused although they are signed', (timestamp) =>
    expect(at(timestamp)).toMatchObject({ reason: 'timestamp_malformed' }),
  )

  it('must occur exactly once', () => {
    const headers = signedHeaders(spec, 's', raw, { now: NOW })
    const { 'x-slack-request-timestamp': timestamp, ...rest } = headers
    expect(judge(spec, ['s'], rest, raw, NOW)).toMatchObject({ reason: 'timestamp_missing' })
    const twice = new RequestHeaders(
      [...Object.entries(headers), ['X-Slack-Request-Timestamp', timestamp!]].flat(),
    )
    expect(createVerifier(spec, ['s'])(twice, raw, NOW)).toMatchObject({ reason: 'header_repeated' })
    const stripe = specOf('stripe')
    const { 'stripe-signature': good } = signedHeaders(stripe, 's', raw, { now: NOW })
    expect(judge(stripe, ['s'], { 'stripe-signature': `t=1700000000,${good}` }, raw, NOW)).toMatchObject({
      reason: 'malformed',
    })
  })
})

it.each([
  ['hex', 'zz'],
  ['hex', 'abc'],
  ['base64', 'YQ'],
  ['base64', ''],
  ['whsec', 'whsec_'],
  ['utf8', ''],
] as const)('never accepts a secret that is not %s, and does not show it', (secretEncoding, secret) => {
  const create = () => createVerifier(hmacOverBody('x', 'hex', { secretEncoding }), ['00', secret].slice(1))
  expect(create).toThrow(/secret 0 must be/)
  if (secret !== '') expect(create).not.toThrow(new RegExp(`${secret}(?!<)`))
})

it.each([
  [{ content: '{timestamp}.{body}' }, /timestamp/],
  [{ content: 'nothing' }, /must contain exactly one of \{body\}/],
  [{ content: '{body}{nonce}' }, /\{nonce\} is unknown: use/],
  [{ content: '{id}{body}' }, /idHeader.* is required because the content has \{id\}/],
  [{ timestamp: { header: 'x-time', unit: 's', toleranceSecs: 300 } }, /proves nothing/],
  [{ form: 'pairs' }, /needs the label/],
] as const)('refuses a spec that contradicts itself: %j', (rest, message) => {
  expect(() => createVerifier(hmacOverBody('x', 'hex', rest as Partial<HmacSpec>), ['s'])).toThrow(message)
})
