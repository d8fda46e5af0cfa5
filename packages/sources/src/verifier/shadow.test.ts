import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { describe, expect, it } from 'vitest'
import { PRESETS } from '../presets/index.ts'
import { explainSignature } from './explain.ts'
import { RequestHeaders } from './content/request-headers.ts'
import { findShadowMatches } from './shadow.ts'
import { signedHeaders } from './sign.ts'
import { hmacOverBody, type HmacSpec, type SignatureSpec } from './spec.ts'

const NOW = 1_700_000_000_000
const BODY = Buffer.from('{"id":1}')
const hmacPresets = Object.values(PRESETS).flatMap(({ name, verifier }): [string, HmacSpec][] =>
  verifier.kind === 'hmac' && name !== 'custom' && !verifier.content.includes('{url')
    ? [[name, verifier]]
    : [],
)

describe('shadow matches', () => {
  it.each(hmacPresets)('find the preset %s, and which secret matched', (name, spec) => {
    const secret = spec.secretEncoding === 'whsec' ? `whsec_${btoa('a secret')}` : 'a secret!'
    const headers = RequestHeaders.of(signedHeaders(spec, secret, BODY, { now: NOW }))
    // Of presets that sign alike the first is named: Meta signs as GitHub does.
    const [first] = hmacPresets.find(([, other]) => isDeepStrictEqual(other, spec)) ?? [name]
    expect(findShadowMatches(headers, BODY, ['another', secret])).toContainEqual({
      preset: first,
      header: spec.header,
      algorithm: spec.algorithm,
      encoding: spec.encoding,
      content: spec.content,
      secretEncoding: spec.secretEncoding,
      secret: 1,
    })
  })

  it('find a custom scheme: another header, algorithm, encoding and decoding of the secret', () => {
    const spec = hmacOverBody('x-other', 'base64url', {
      algorithm: 'sha512',
      secretEncoding: 'hex',
      content: '{timestamp}{body}',
      timestamp: { header: 'x-time', unit: 'ms', toleranceSecs: 1 },
    })
    const headers = RequestHeaders.of(signedHeaders(spec, 'c0ffee', BODY, { now: NOW }))
    expect(findShadowMatches(headers, BODY, ['c0ffee'])).toEqual([
      {
        preset: 'none',
        header: 'x-other',
        algorithm: 'sha512',
        encoding: 'base64url',
        content: '{timestamp}{body}',
        secretEncoding: 'hex',
        secret: 0,
      },
    ])
  })

  it.each([
    ['ecdsa', 'ecdsa-p256', { namedCurve: 'prime256v1' }, 'ec'],
    ['rsa', 'rsa-sha256', { modulusLength: 2_048 }, 'rsa'],
    ['ed25519', 'ed25519', {}, 'ed25519'],
  ] as const)('find a signature by a key pair: %s', (kind, algorithm, options, type) => {
    const { privateKey, publicKey } = generateKeyPairSync(type as 'rsa', options as { modulusLength: number })
    const pem = (key: KeyObject, form: 'spki' | 'pkcs8') =>
      key.export({ format: 'pem', type: form }) as string
    const spec = {
      ...hmacOverBody('x-other', 'base64', { content: '{timestamp}{body}' }),
      kind,
      algorithm: 'sha256' as const,
      timestamp: { header: 'x-time', unit: 'iso' as const, toleranceSecs: 1 },
    } as SignatureSpec
    const headers = RequestHeaders.of(signedHeaders(spec, pem(privateKey, 'pkcs8'), BODY, { now: NOW }))
    expect(findShadowMatches(headers, BODY, ['another', pem(publicKey, 'spki')])).toContainEqual(
      expect.objectContaining({ header: 'x-other', algorithm, content: '{timestamp}{body}', secret: 1 }),
    )
  })

  it('find nothing if nothing matches, whatever a request contains', () => {
    const headers = new RequestHeaders([
      'x',
      'a=b;c,d  =',
      'y',
      'f'.repeat(64),
      'z',
      '\u00ff'.repeat(300),
      'w',
      '',
    ])
    expect(findShadowMatches(headers, BODY, ['s', '', 'ff'])).toEqual([])
    expect(findShadowMatches(new RequestHeaders([]), BODY, ['s'])).toEqual([])
  })
})

describe('an explanation', () => {
  const spec = PRESETS.nice.verifier as HmacSpec
  const signed = (body: Buffer, secret = 'a secret') => signedHeaders(spec, secret, body)
  const explain = (headers: Readonly<Record<string, string>>, body: Buffer = BODY, secrets = ['a secret']) =>
    explainSignature(spec, secrets, RequestHeaders.of(headers), body, NOW)

  it('reports that every step passes', () => {
    const { steps, hints, result } = explain(signed(BODY))
    expect([result.kind, hints]).toEqual(['valid', []])
    expect(steps.map(({ isGood, text }) => `${isGood} ${text}`)).toEqual([
      'true header x-nice-signature occurs once',
      'true x-nice-signature has 1 signature of 32 bytes in hex',
      'true HMAC-SHA256 over {body} matches with secret 0 of 1',
    ])
  })

  it.each<[string, Record<string, string>, Buffer, RegExp]>([
    ['nothing', {}, BODY, /x-nice-signature is missing/],
    ['an empty header', { 'x-nice-signature': '' }, BODY, /is empty/],
    [
      'another form',
      { 'x-nice-signature': 'abc' },
      BODY,
      /expected 32 bytes in hex, but it has 3 characters/,
    ],
    ['another secret', signed(BODY, 'other'), BODY, /matches none of the 1 secrets/],
    ['a line feed', signed(BODY), Buffer.from('{"id":1}\n'), /without its final line feed matches/],
    ['JSON written anew', signed(BODY), Buffer.from('{ "id": 1 }'), /parsed and serialized again matches/],
  ])('names what is wrong with %s', (_, headers, body, message) => {
    const { steps, hints, result } = explain(headers, body)
    expect(result.kind).not.toBe('valid')
    expect([...steps.map(({ text }) => text), ...hints].join('\n')).toMatch(message)
    expect(steps.some(({ isGood }) => !isGood)).toBe(true)
  })

  it('names the scheme that would match, a secret with white space, and a wrong clock', () => {
    const other = signedHeaders(PRESETS['cxone-dataaction'].verifier as HmacSpec, 'a secret', BODY)
    expect(explain(other).hints).toEqual([
      'header x-nice-webhook-signature matches as sha256 in base64 over {body} with secret 0 read as utf8, as in the preset cxone-dataaction',
    ])
    expect(explain(signed(BODY), BODY, [' a secret\n']).hints).toContain(
      'secret 0 matches without the white space around it',
    )
    const slack = PRESETS.slack.verifier as HmacSpec
    const late = RequestHeaders.of(signedHeaders(slack, 's', BODY, { now: NOW - 400_000 }))
    const { steps } = explainSignature(slack, ['s'], late, BODY, NOW)
    expect(steps.map(({ text }) => text).join('\n')).toMatch(
      /400 s before the clock; 300 s are allowed\n.*only the timestamp/,
    )
  })

  it('never shows a secret or a valid signature', () => {
    const good = signed(BODY)['x-nice-signature']!
    const text = JSON.stringify(explain({ 'x-nice-signature': '0'.repeat(64) }))
    expect(text).not.toContain('a secret')
    expect(text).not.toContain(good)
  })
})
