import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PRESETS } from '../presets/index.ts'
import { RequestHeaders } from './content/request-headers.ts'
import { signedHeaders } from './sign.ts'
import { hmacOverBody, type HmacSpec, type SecretEncoding } from './spec.ts'
import { createVerifier } from './verifier.ts'

const NOW = 1_700_000_000_000
const SECRETS: Record<SecretEncoding, fc.Arbitrary<string>> = {
  utf8: fc.string({ minLength: 1, unit: 'binary' }),
  hex: fc.uint8Array({ minLength: 1, maxLength: 64 }).map((bytes) => Buffer.from(bytes).toString('hex')),
  base64: fc
    .uint8Array({ minLength: 1, maxLength: 64 })
    .map((bytes) => Buffer.from(bytes).toString('base64')),
  whsec: fc
    .uint8Array({ minLength: 1, maxLength: 64 })
    .map((bytes) => `whsec_${Buffer.from(bytes).toString('base64')}`),
}

const presets = Object.values(PRESETS).flatMap(({ name, verifier }): [string, HmacSpec][] =>
  verifier.kind === 'hmac' && verifier.content !== '{url}{form}'
    ? [[name, { ...verifier, publicUrl: 'https://hooks.example.com' }]]
    : [],
)
const variants: [string, HmacSpec][] = (['hex', 'base64', 'base64url'] as const).flatMap((encoding) =>
  (['sha256', 'sha512'] as const).flatMap((algorithm) =>
    (['utf8', 'hex', 'base64', 'whsec'] as const).map((secretEncoding): [string, HmacSpec] => [
      `${algorithm} ${encoding} keyed by ${secretEncoding}`,
      hmacOverBody('x-signature', encoding, { algorithm, secretEncoding, prefix: 'v=' }),
    ]),
  ),
)

describe.each([...presets, ...variants])('signatures as of %s', (_, spec) => {
  const secret = SECRETS[spec.secretEncoding]
  const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array))
  const signed = (key: string, raw: Buffer) => signedHeaders(spec, key, raw, { now: NOW, id: 'msg_1' })
  const judge = (secrets: readonly string[], headers: Readonly<Record<string, string>>, raw: Buffer) =>
    createVerifier(spec, secrets)(RequestHeaders.of(headers), raw, NOW)

  it('are valid with each secret, and report which one matched', () => {
    fc.assert(
      fc.property(fc.uniqueArray(secret, { minLength: 1, maxLength: 3 }), bytes, (all, raw) => {
        for (const one of all) expect(judge(all, signed(one, raw), raw)).toMatchObject({ kind: 'valid' })
        expect(judge(all, signed(all[0]!, raw), raw)).toEqual({ kind: 'valid', secret: 0 })
      }),
      { numRuns: 30 },
    )
  })

  it('are invalid if a bit of the body differs, and with another secret', () => {
    fc.assert(
      fc.property(secret, fc.uint8Array({ minLength: 1, maxLength: 99 }), fc.nat(), (key, array, at) => {
        const headers = signed(key, Buffer.from(array))
        array[at % array.length]! ^= 1 << (at % 8)
        expect(judge([key], headers, Buffer.from(array))).toEqual({ kind: 'invalid', reason: 'no_match' })
      }),
      { numRuns: 30 },
    )
  })

  it('are refused in any other spelling, and nothing throws', () => {
    const raw = Buffer.from('x')
    fc.assert(
      fc.property(secret, fc.string({ unit: 'binary' }), (key, noise) => {
        const headers = signed(key, raw)
        const good = headers[spec.header]!
        const others = [
          `${good}zz`,
          good.slice(1),
          `${good}!!`,
          `${good}=`,
          noise,
          // White space between entries means nothing, nor do a repeated signature and an entry that cannot be read.
          ...(spec.form === 'single' ? [` ${good}`] : []),
          ...(spec.form === 'single' || spec.timestamp?.pair !== undefined ? [`${good}, ${good}`] : []),
        ]
        for (const other of others) {
          expect(judge([key], { ...headers, [spec.header]: other }, raw).kind).not.toBe('valid')
        }
        const twice = Object.entries(headers).flatMap(([name, value]) => [name, value, name, value])
        expect(createVerifier(spec, [key])(new RequestHeaders(twice), raw, NOW)).toEqual({
          kind: 'invalid',
          reason: 'header_repeated',
        })
        expect(judge([key], {}, raw)).toEqual({ kind: 'missing' })
        expect(judge([key], { ...headers, [spec.header]: '' }, raw)).toEqual({ kind: 'missing' })
      }),
      { numRuns: 30 },
    )
  })
})
