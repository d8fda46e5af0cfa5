import { PRESETS, RequestHeaders, signatureHeaders, openAccess, isSignature } from '@weir/sources'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { judgeHead } from './judge-head.ts'

const NOW = 1_700_000_000_000
const opened = Object.values(PRESETS).flatMap((source) => {
  if (!isSignature(source.verifier) || source.verifier.kind !== 'hmac') return []
  const name = source.name.toUpperCase().replaceAll('-', '_')
  const { access } = openAccess(
    source,
    { [`SOURCE_${name}_SECRETS`]: `whsec_${Buffer.alloc(32, 7).toString('base64')}` },
    () => '',
  )
  return access?.verify === undefined ? [] : [access]
})

const value = fc.oneof(
  fc.constantFrom('', '0'.repeat(64), `sha256=${'0'.repeat(64)}`, 't=1,v1=00'),
  fc.string(),
)

it('finds the presets that sign', () => {
  expect(opened.length).toBeGreaterThan(3)
})

it.each(opened.map((access) => [access.source.name, access] as const))(
  '%s: what its head refuses is refused with every body, and in the same way',
  (_, access) => {
    const names = signatureHeaders(access.source.verifier)
    const header = fc.record({ name: fc.constantFrom(...names), value })
    fc.assert(
      fc.property(fc.array(header, { maxLength: 6 }), fc.uint8Array({ maxLength: 64 }), (given, body) => {
        const headers = new RequestHeaders(given.flatMap(({ name, value: text }) => [name, text]))
        const line = { method: 'POST', target: access.source.paths[0] ?? '/' }
        const refusal = judgeHead(access, { headers, line, certificate: undefined, receivedAt: NOW })
        const whole = access.verify!(headers, Buffer.from(body), NOW, line)
        if (refusal === undefined) {
          const isUnsigned = whole.kind === 'missing' && access.source.unsigned
          expect(isUnsigned || names.every((name) => headers.get(name) !== undefined)).toBe(true)
        } else {
          expect(refusal).toMatchObject({ kind: 'refuse', result: whole })
        }
      }),
    )
  },
)
