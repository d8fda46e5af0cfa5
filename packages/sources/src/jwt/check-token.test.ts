import { createHash, createHmac, generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto'
import fc from 'fast-check'
import { SignJWT, UnsecuredJWT, type JWTHeaderParameters, type JWTPayload } from 'jose'
import { describe, expect, it } from 'vitest'
import { RequestHeaders } from '../verifier/content/request-headers.ts'
import { createTokenCheck } from './check-token.ts'
import { jwtKeysOf, keysOfJwks } from './jwt-keys.ts'
import type { JwtAlgorithm, JwtSpec } from './jwt-spec.ts'
import { fixedKeys } from './remote-keys.ts'

const NOW = 1_767_225_600_000
const SECS = NOW / 1_000
const BODY = Buffer.from('{"id":"1"}')
const [ISSUER, AUDIENCE] = ['https://login.example/t', 'api://weir']
const SHARED = 'a shared secret of 32 bytes or more'
const RSA = generateKeyPairSync('rsa', { modulusLength: 2048 })
const OTHER_RSA = generateKeyPairSync('rsa', { modulusLength: 2048 })
const EC = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
const pem = (key: KeyObject) => key.export({ format: 'pem', type: 'spki' }) as string
const jwk = (key: KeyObject, more: object = {}) => ({ ...key.export({ format: 'jwk' }), ...more })
const jwks = (...keys: readonly unknown[]) => JSON.stringify({ keys })
const PRIVATE = { RS256: RSA.privateKey, ES256: EC.privateKey, HS256: Buffer.from(SHARED) }
const PUBLIC = { RS256: pem(RSA.publicKey), ES256: pem(EC.publicKey), HS256: SHARED }

const specOf = (algorithm: JwtAlgorithm, rest: Partial<JwtSpec> = {}): JwtSpec => ({
  algorithms: [algorithm],
  issuers: [ISSUER],
  audiences: [AUDIENCE],
  toleranceSecs: 60,
  claims: {},
  ...rest,
})
const GOOD: JWTPayload = { iss: ISSUER, aud: AUDIENCE, exp: SECS + 300 }

const signed = (
  claims: JWTPayload = GOOD,
  header: Partial<JWTHeaderParameters> = {},
  key: KeyObject | Uint8Array = RSA.privateKey,
) => new SignJWT(claims).setProtectedHeader({ alg: 'RS256', ...header }).sign(key)

const judge = (token: string, spec = specOf('RS256'), keys = PUBLIC.RS256, raw = BODY) =>
  judgeHeaders(['Authorization', `Bearer ${token}`], spec, keys, raw)
const judgeHeaders = (
  headers: readonly string[],
  spec = specOf('RS256'),
  keys: string = PUBLIC.RS256,
  raw = BODY,
) =>
  createTokenCheck(spec, fixedKeys(jwtKeysOf({ text: keys, file: 'keys' }, spec.algorithms)))(
    new RequestHeaders(headers),
    raw,
    NOW,
  )
const VALID = { kind: 'valid', secret: 0 }
const invalid = (reason: string) => ({ kind: 'invalid', reason })

it.each(['RS256', 'ES256', 'HS256'] as const)('accepts tokens that jose signs with %s', async (alg) => {
  const token = await signed(GOOD, { alg }, PRIVATE[alg])
  expect(await judge(token, specOf(alg), PUBLIC[alg])).toEqual(VALID)
  const forged = await signed(
    GOOD,
    { alg },
    {
      RS256: OTHER_RSA.privateKey,
      ES256: generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey,
      HS256: randomBytes(32),
    }[alg],
  )
  expect(await judge(forged, specOf(alg), PUBLIC[alg])).toEqual(invalid('no_match'))
})

it('tries a token without a key id with at most eight keys', async () => {
  const pairs = Array.from({ length: 9 }, () => generateKeyPairSync('ec', { namedCurve: 'prime256v1' }))
  const keys = jwks(...pairs.map(({ publicKey }) => jwk(publicKey)))
  const judged = async (index: number) =>
    judge(await signed(GOOD, { alg: 'ES256' }, pairs[index]!.privateKey), specOf('ES256'), keys)
  expect(await judged(7)).toEqual({ kind: 'valid', secret: 7 })
  expect(await judged(8)).toEqual(invalid('no_match'))
})

describe('only the configured algorithm is accepted', () => {
  it('and not HS256 with the text of a public key as the secret', async () => {
    for (const text of [PUBLIC.RS256, PUBLIC.RS256.trim(), jwks(jwk(RSA.publicKey))]) {
      const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
      const head = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(GOOD)}`
      const token = `${head}.${createHmac('sha256', text).update(head).digest('base64url')}`
      expect(await judge(token)).toEqual(invalid('no_match'))
      expect(await judge(token, specOf('RS256'), jwks(jwk(RSA.publicKey)))).toEqual(invalid('no_match'))
    }
  })

  it('and not none, in any spelling, nor another algorithm with the same key', async () => {
    const none = new UnsecuredJWT(GOOD).encode()
    expect(await judge(none)).toEqual(invalid('malformed'))
    for (const alg of ['none', 'None', 'nOnE', '', 'rs256']) {
      const head = Buffer.from(JSON.stringify({ alg })).toString('base64url')
      const token = `${head}.${none.split('.')[1]!}.AAAA`
      expect(await judge(token)).toEqual(invalid('no_match'))
    }
    for (const alg of ['PS256', 'RS512'])
      expect(await judge(await signed(GOOD, { alg }))).toEqual(invalid('no_match'))
  })

  it('refuses keys of another kind when they are read', () => {
    expect(() => jwtKeysOf({ text: PUBLIC.RS256 }, ['HS256'])).toThrow(
      /in PEM, but HS256 needs a shared secret/,
    )
    expect(() => jwtKeysOf({ text: PUBLIC.RS256 }, ['ES256'])).toThrow(/key 0 .*P-256/)
    expect(() => jwtKeysOf({ text: 'short' }, ['HS256'])).toThrow(/key 0 has 5 bytes/)
    expect(() => jwtKeysOf({ text: jwks(jwk(RSA.publicKey)) }, ['HS256'])).toThrow(/none of its 1 keys/)
    expect(() => jwtKeysOf({ text: jwks(jwk(RSA.privateKey)) }, ['RS256'])).toThrow(/give public keys/)
    const small = generateKeyPairSync('rsa', { modulusLength: 1024 })
    expect(() => jwtKeysOf({ text: jwks(jwk(small.publicKey)) }, ['RS256'])).toThrow(/2048 to 8192 bits/)
    expect(() => jwtKeysOf({ text: pem(small.publicKey) }, ['RS256'])).toThrow(/2048 to 8192 bits/)
    for (const e of ['AQ', 'Ag', 'AA', 'AQAA']) {
      const weak = jwk(RSA.publicKey, { e })
      expect(() => jwtKeysOf({ text: jwks(weak) }, ['RS256'])).toThrow(/an odd exponent above 1/)
    }
    expect(() => jwtKeysOf({ text: '{"keys":1}' }, ['RS256'])).toThrow(/no array `keys`/)
    expect(() => jwtKeysOf({ text: '{' }, ['RS256'])).toThrow(/is not JSON/)
  })
})

describe('claims', () => {
  it.each([
    ['expired', { exp: SECS - 61 }, 'timestamp_outside_tolerance'],
    ['not yet', { nbf: SECS + 61 }, 'timestamp_outside_tolerance'],
    ['without exp', { exp: undefined }, 'claim_mismatch'],
    ['exp as text', { exp: String(SECS + 300) }, 'claim_mismatch'],
    ['another aud', { aud: 'api://other' }, 'claim_mismatch'],
    ['aud that begins alike', { aud: `${AUDIENCE}/x` }, 'claim_mismatch'],
    ['aud as list without ours', { aud: ['a', 'b'] }, 'claim_mismatch'],
    ['aud in a list in a list', { aud: [[AUDIENCE]] }, 'claim_mismatch'],
    ['no aud', { aud: undefined }, 'claim_mismatch'],
    ['another iss', { iss: 'https://evil.example' }, 'claim_mismatch'],
    ['iss as list', { iss: [ISSUER] }, 'claim_mismatch'],
    ['no iss', { iss: undefined }, 'claim_mismatch'],
  ])('%s', async (_, claims, reason) => {
    expect(await judge(await signed({ ...GOOD, ...claims } as JWTPayload))).toEqual(invalid(reason))
  })

  it.each([{ exp: SECS - 59 }, { nbf: SECS + 59 }, { aud: ['other', AUDIENCE] }])(
    '%j is valid',
    async (claims) => {
      expect(await judge(await signed({ ...GOOD, ...claims }))).toEqual(VALID)
    },
  )

  it('must have the configured values', async () => {
    const spec = specOf('RS256', { claims: { appid: ['a', 'b'], roles: ['send'] } })
    expect(await judge(await signed({ ...GOOD, appid: 'b', roles: ['read', 'send'] }), spec)).toEqual(VALID)
    for (const claims of [
      {},
      { appid: 'a' },
      { appid: 'c', roles: ['send'] },
      { appid: 'a', roles: 'sender' },
    ])
      expect(await judge(await signed({ ...GOOD, ...claims }), spec)).toEqual(invalid('claim_mismatch'))
  })

  it('may contain the hash of any body, in any spelling', async () => {
    const spec = specOf('HS256', { bodyHashClaim: 'payload_hash' })
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 64 }),
        fc.constantFrom('hex' as const, 'base64' as const, 'base64url' as const),
        async (bytes, encoding) => {
          const body = Buffer.from(bytes)
          const hash = createHash('sha256').update(body).digest(encoding)
          const token = await signed({ ...GOOD, payload_hash: hash }, { alg: 'HS256' }, PRIVATE.HS256)
          expect(await judge(token, spec, SHARED, body)).toEqual(VALID)
          const other = Buffer.concat([body, Buffer.from(' ')])
          expect(await judge(token, spec, SHARED, other)).toEqual(invalid('claim_mismatch'))
        },
      ),
      { numRuns: 50 },
    )
    for (const payload_hash of [undefined, '', 1, ['x'], 'f'.repeat(63)]) {
      const token = await signed({ ...GOOD, payload_hash }, { alg: 'HS256' }, PRIVATE.HS256)
      expect(await judge(token, spec, SHARED)).toEqual(invalid('claim_mismatch'))
    }
  })

  it('are not checked before the signature is verified', async () => {
    const forged = await signed({ ...GOOD, exp: 1, aud: 'x' }, {}, OTHER_RSA.privateKey)
    expect(await judge(forged)).toEqual(invalid('no_match'))
  })
})

describe('the header', () => {
  it('accepts Bearer in any case', async () => {
    const token = await signed()
    for (const scheme of ['bearer', 'BEARER', 'Bearer '])
      expect(await judgeHeaders(['authorization', `${scheme} ${token}`])).toEqual(VALID)
  })

  it('must occur once, with one token', async () => {
    const token = await signed()
    expect(await judgeHeaders([])).toEqual({ kind: 'missing' })
    expect(await judgeHeaders(['Authorization', ''])).toEqual({ kind: 'missing' })
    for (const value of [
      token,
      `Basic ${token}`,
      `Bearer ${token} ${token}`,
      `Bearer ${token},${token}`,
      `Bearer ${token}, Bearer ${token}`,
      `Bearer\t${token}`,
      'Bearer a.b',
      'Bearer a.b.c',
      `${token}.a`,
    ])
      expect(await judgeHeaders(['Authorization', value])).toEqual(invalid('malformed'))
    const twice = ['Authorization', `Bearer ${token}`, 'authorization', `Bearer ${token}`]
    expect(await judgeHeaders(twice)).toEqual(invalid('header_repeated'))
  })

  it('is not read if it is longer than any token', async () => {
    const token = await signed({ ...GOOD, filler: 'x'.repeat(10_000) })
    expect(token.length).toBeGreaterThan(10_000)
    expect(await judge(token)).toEqual(invalid('malformed'))
  })

  it('never makes the check throw', async () => {
    const part = fc.oneof(
      fc.json().map((text) => Buffer.from(text).toString('base64url')),
      fc.string(),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 5 }), async (parts) => {
        expect(await judge(parts.join('.'))).toMatchObject({ kind: 'invalid' })
      }),
    )
  })
})

describe('kid', () => {
  const keys = jwks(
    jwk(OTHER_RSA.publicKey, { kid: 'old', use: 'sig' }),
    jwk(EC.publicKey, { kid: 'ec' }),
    jwk(RSA.publicKey, { kid: 'new', alg: 'RS256' }),
  )

  it('selects the key, and without it all keys are tried', async () => {
    const spec = specOf('RS256')
    expect(await judge(await signed(GOOD, { kid: 'new' }), spec, keys)).toEqual({ kind: 'valid', secret: 2 })
    expect(await judge(await signed(), spec, keys)).toEqual({ kind: 'valid', secret: 2 })
    expect(await judge(await signed(GOOD, { kid: 'old' }), spec, keys)).toEqual(invalid('no_match'))
    expect(await judge(await signed(GOOD, { kid: 'ec' }), spec, keys)).toEqual(invalid('no_match'))
  })

  it.each(['../../keys/new', 'new\0', "new' OR '1'='1", 'https://evil.example/keys', '__proto__', 'NEW', ''])(
    'is only a name: %j',
    async (kid) => {
      expect(await judge(await signed(GOOD, { kid }), specOf('RS256'), keys)).toEqual(invalid('no_match'))
    },
  )

  it('is ignored if it is not a text or is too long', async () => {
    for (const kid of [1, ['new'], { a: 1 }, 'k'.repeat(257)])
      expect(await judge(await signed(GOOD, { kid: kid as string }), specOf('RS256'), keys)).toEqual(
        invalid('malformed'),
      )
  })

  it('does not make a key in the token acceptable', async () => {
    const own = jwk(OTHER_RSA.publicKey)
    for (const header of [{ jwk: own }, { jku: 'https://evil.example/' }, { x5u: 'https://evil.example/' }])
      expect(await judge(await signed(GOOD, header, OTHER_RSA.privateKey))).toEqual(invalid('no_match'))
  })

  it('is found in a JWKS with a byte order mark', () => {
    const text = `\uFEFF${jwks(jwk(RSA.publicKey, { kid: 'k' }))}`
    expect(jwtKeysOf({ text }, ['RS256'])).toMatchObject([{ kid: 'k' }])
    expect(keysOfJwks(text, ['RS256'])).toMatchObject([{ kid: 'k' }])
  })

  it('ignores keys for other uses', () => {
    const text = jwks(
      jwk(RSA.publicKey, { use: 'enc' }),
      jwk(RSA.publicKey, { alg: 'RS512' }),
      jwk(RSA.publicKey, { key_ops: ['encrypt'] }),
      null,
      1,
      {},
      { kty: 'RSA' },
      { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' },
      jwk(RSA.publicKey, { key_ops: ['verify'], kid: 'k' }),
    )
    expect(jwtKeysOf({ text }, ['RS256'])).toMatchObject([{ index: 8, kid: 'k' }])
  })
})
