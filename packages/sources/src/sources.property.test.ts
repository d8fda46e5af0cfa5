import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sign, SOURCES, verifySignature, type HmacSpec, type JsonValue } from './index.ts'

const signed = SOURCES.flatMap(({ name, verifier }) =>
  verifier.kind === 'hmac' ? [[name, verifier] as const] : [],
)

describe.each(signed)('the signature of %s', (_, spec: HmacSpec) => {
  const secrets = fc.array(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 3 })
  const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array))

  it('is good with each secret, over any bytes', () => {
    fc.assert(
      fc.property(secrets, bytes, (all, raw) => {
        for (const secret of all)
          expect(verifySignature(spec, all, sign(spec, secret, raw), raw)).toBe('valid')
      }),
    )
  })

  it('is bad once a bit of the body differs', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 99 }), fc.nat(), (array, at) => {
        const header = sign(spec, 's', Buffer.from(array))
        array[at % array.length]! ^= 1 << (at % 8)
        expect(verifySignature(spec, ['s'], header, Buffer.from(array))).toBe('invalid')
      }),
    )
  })

  it('never throws and takes nothing else', () => {
    const good = sign(spec, 's', Buffer.from('x'))
    const others = fc.oneof(
      fc.string(),
      fc.constantFrom(`${good}zz`, ` ${good}`, good.slice(1), `${good}, ${good}`),
    )
    fc.assert(
      fc.property(others, (header) => {
        expect(verifySignature(spec, ['s'], header, Buffer.from('x'))).not.toBe('valid')
      }),
    )
    expect(verifySignature(spec, ['s'], [good, good], Buffer.from('x'))).toBe('invalid')
    expect(verifySignature(spec, ['s'], undefined, Buffer.from('x'))).toBe('missing')
  })
})

it('identifies any JSON or names its problem', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(...SOURCES), (payload, source) => {
      const result = source.identify(payload as JsonValue, 'hash')
      if (result.kind === 'identified') {
        expect(result.identity.dedupKey).not.toContain('undefined')
        expect(result.identity.interactionId).not.toBe('')
      } else {
        expect(result.problem.detail).not.toBe('')
      }
    }),
  )
})
