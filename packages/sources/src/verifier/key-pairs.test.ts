import { createPublicKey, generateKeyPairSync, sign as signPrivately, type KeyObject } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { explainSignature } from './explain.ts'
import { RequestHeaders } from './content/request-headers.ts'
import { signedHeaders } from './sign.ts'
import { hmacOverBody, type SignatureSpec } from './spec.ts'
import { createVerifier } from './verifier.ts'

interface Pair {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

const p256 = (): Pair => generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
const rsa = (modulusLength = 2_048): Pair => generateKeyPairSync('rsa', { modulusLength })
const pem = ({ publicKey }: Pick<Pair, 'publicKey'>) =>
  publicKey.export({ format: 'pem', type: 'spki' }) as string
const der = ({ publicKey }: Pair) => publicKey.export({ format: 'der', type: 'spki' }).toString('base64')
const privatePem = ({ privateKey }: Pair) => privateKey.export({ format: 'pem', type: 'pkcs8' }) as string

const layout = hmacOverBody('x-signature', 'base64')
const ECDSA: SignatureSpec = { ...layout, kind: 'ecdsa' }
const RSA: SignatureSpec = { ...layout, kind: 'rsa', algorithm: 'sha256' }
const ED25519: SignatureSpec = { ...layout, kind: 'ed25519' }
const NOW = 1_700_000_000_000

const judge = (
  spec: SignatureSpec,
  keys: readonly string[],
  headers: Readonly<Record<string, string>>,
  raw: Buffer,
) => createVerifier(spec, keys)(RequestHeaders.of(headers), raw, NOW)

describe.each<[string, SignatureSpec, Pair, Pair]>([
  ['ECDSA on P-256', ECDSA, p256(), p256()],
  ['RSA with SHA-256', RSA, rsa(), rsa()],
  ['ed25519', ED25519, generateKeyPairSync('ed25519'), generateKeyPairSync('ed25519')],
  ['RSA with SHA-1, by opt-in', { ...RSA, algorithm: 'sha1', allowSha1: true }, rsa(), rsa()],
])('signatures with %s', (_, spec, pair, other) => {
  it('are valid with the key in PEM or DER, only for these bytes, and report which key matched', () => {
    const verifiers = [pem(pair), der(pair)].map((key) => createVerifier(spec, [pem(other), key]))
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 99 }), fc.nat(), (bytes, at) => {
        const raw = Buffer.from(bytes)
        const headers = RequestHeaders.of(signedHeaders(spec, privatePem(pair), raw))
        for (const verify of verifiers) {
          expect(verify(headers, raw, NOW)).toEqual({ kind: 'valid', secret: 1 })
          const changed = Buffer.from(raw)
          changed[at % raw.length]! ^= 1 << (at % 8)
          expect(verify(headers, changed, NOW)).toEqual({ kind: 'invalid', reason: 'no_match' })
        }
      }),
      { numRuns: 20 },
    )
  })

  it('are refused with another key, in another spelling, and with any other text', () => {
    const raw = Buffer.from('{}')
    const { 'x-signature': good } = signedHeaders(spec, privatePem(pair), raw)
    expect(judge(spec, [pem(other)], { 'x-signature': good! }, raw)).toMatchObject({ reason: 'no_match' })
    fc.assert(
      fc.property(fc.string(), fc.base64String(), (noise, base64) => {
        for (const text of [` ${good}`, `${good}=`, `${good}AA`, good!.slice(4), noise, base64]) {
          expect(judge(spec, [pem(pair)], { 'x-signature': text }, raw).kind).not.toBe('valid')
        }
      }),
      { numRuns: 50 },
    )
  })

  it('are explained', () => {
    const raw = Buffer.from('{}')
    const headers = RequestHeaders.of(signedHeaders(spec, privatePem(pair), raw))
    const { steps, result } = explainSignature(spec, [pem(pair)], headers, raw, NOW)
    expect(result.kind).toBe('valid')
    expect(steps.map(({ text }) => text).join('\n')).toMatch(/matches with secret 0 of 1/)
    const bad = explainSignature(spec, [pem(other)], headers, raw, NOW)
    expect(bad.steps.map(({ text }) => text).join('\n')).toMatch(/matches none of the 1/)
  })
})

it('accepts ECDSA as two numbers of 32 bytes too', () => {
  const pair = p256()
  const raw = Buffer.from('{}')
  const key = { key: pair.privateKey, dsaEncoding: 'ieee-p1363' as const }
  const signature = signPrivately('sha256', raw, key).toString('base64')
  expect(judge(ECDSA, [pem(pair)], { 'x-signature': signature }, raw).kind).toBe('valid')
})

describe('a key of another kind is refused, and never shown', () => {
  const small = rsa(1_024)
  const jwk = small.publicKey.export({ format: 'jwk' })
  const repeated = Buffer.alloc(1_025, Buffer.from(jwk.n!, 'base64url')).toString('base64url')
  const long = { publicKey: createPublicKey({ key: { ...jwk, n: repeated }, format: 'jwk' }) }
  const withExponent = (e: string) =>
    createPublicKey({ key: { ...rsa().publicKey.export({ format: 'jwk' }), e }, format: 'jwk' })
  const k1 = generateKeyPairSync('ec', { namedCurve: 'secp256k1' })
  it.each<[string, SignatureSpec, string, RegExp]>([
    ['a private key', ECDSA, privatePem(p256()), /secret 0 is a private key/],
    ['another curve', ECDSA, pem(k1), /certificate of P-256/],
    ['RSA for ECDSA', ECDSA, pem(rsa()), /P-256/],
    ['a short RSA key', RSA, pem(small), /2048 to 8192 bits/],
    ['an RSA key whose signatures are too long', RSA, pem(long), /2048 to 8192 bits/],
    ...['AQ', 'Ag', 'AA', 'AQAA'].map((e): [string, SignatureSpec, string, RegExp] => [
      `the RSA exponent ${e}, with which anybody can sign,`,
      RSA,
      pem({ publicKey: withExponent(e) }),
      /an odd exponent above 1/,
    ]),
    ['ECDSA for RSA', RSA, der(p256()), /RSA/],
    ['anything', RSA, 'not a key at all', /RSA/],
    ['a broken PEM', RSA, '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----', /RSA/],
    ['an empty text', ED25519, '', /ed25519/],
  ])('%s', (_, spec, key, message) => {
    expect(() => createVerifier(spec, [key])).toThrow(message)
    if (key !== '') expect(() => createVerifier(spec, [key])).not.toThrow(key.slice(0, 40))
  })

  it('more of them than a rotation needs', () => {
    const key = pem(p256())
    expect(() => createVerifier(ECDSA, [key, key, key, key, key])).toThrow(/more than 4 public keys/)
  })
})

describe('the work that a stranger can cause', () => {
  const spec: SignatureSpec = {
    ...layout,
    kind: 'ed25519',
    form: 'list',
    label: 'v1a',
    timestamp: { header: 'x-time', unit: 's', toleranceSecs: 300 },
    content: '{timestamp}.{body}',
  }
  const pair: Pair = generateKeyPairSync('ed25519')
  const entry = `v1a,${Buffer.alloc(64, 1).toString('base64')}`
  const { 'x-signature': good } = signedHeaders(spec, privatePem(pair), Buffer.from('{}'), { now: NOW })
  const at = (header: string, time = '1700000000', raw = Buffer.from('{}')) =>
    judge(spec, [pem(pair)], { 'x-signature': header, 'x-time': time }, raw)

  it('is limited to four signatures of a key pair, wherever the valid one is', () => {
    for (let place = 0; place < 4; place += 1) {
      const header = Array.from({ length: 4 }, (_, i) => (i === place ? good : entry)).join(' ')
      expect(at(header).kind).toBe('valid')
    }
    expect(at(Array(5).fill(entry).join(' '))).toMatchObject({ reason: 'malformed' })
    expect(at(Array(17).fill('x,y').join(' '))).toMatchObject({ reason: 'malformed' })
  })

  it('includes no check of a signature if the timestamp is wrong', () => {
    // An authentic one would be refused as well: what is cheap is looked at first.
    expect(at(good!, '1600000000')).toMatchObject({ reason: 'timestamp_outside_tolerance' })
    expect(at(entry, '1600000000')).toMatchObject({ reason: 'timestamp_outside_tolerance' })
  })
})

it.each<[string, Partial<SignatureSpec>]>([
  ['HMAC', { kind: 'hmac', algorithm: 'sha1' }],
  ['RSA', { kind: 'rsa', algorithm: 'sha1' }],
])('SHA-1 with %s is refused unless it is allowed', (_, way) => {
  const key = way.kind === 'rsa' ? pem(rsa()) : 'a secret'
  const spec = { ...layout, ...way } as SignatureSpec
  expect(() => createVerifier(spec, [key])).toThrow(/allowSha1/)
  expect(() => createVerifier({ ...spec, allowSha1: true }, [key])).not.toThrow()
})
