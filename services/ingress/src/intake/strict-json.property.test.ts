import { parseExactJson } from '@weir/exact-json'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseStrictJson } from './strict-json.ts'

const digits = fc.bigInt(1n, 10n ** 20n).map(String)
const numberText = fc.oneof(
  { arbitrary: digits, weight: 3 },
  fc
    .tuple(
      fc.constantFrom('', '-'),
      fc.oneof(digits, fc.constant('0')),
      fc.constantFrom('', '.0', '.50', '.125'),
      fc.constantFrom('', 'e2', 'E+3', 'e-1'),
    )
    .map((parts) => parts.join('')),
)
const stringText = fc.oneof(
  fc.string().map((text) => JSON.stringify(text)),
  fc.constantFrom('"\\u0041"', '"\\\\"', '"\\""', '"1.5"', '"[12345678901234567890]"'),
)
const space = fc.constantFrom('', ' ', '\n\t')
const { value: jsonText } = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    numberText,
    stringText,
    fc.constantFrom('true', 'false', 'null'),
    fc
      .tuple(fc.array(tie('value'), { maxLength: 4 }), space)
      .map(([all, gap]) => `[${gap}${all.join(`${gap},`)}]`),
    fc
      .tuple(fc.array(tie('value'), { maxLength: 4 }), space)
      .map(([all, gap]) => `{${all.map((one, at) => `"k${at}"${gap}:${gap}${one}`).join(',')}}`),
  ),
}))

test('every body that is accepted has the value of the exact parser, digit for digit', () => {
  fc.assert(
    fc.property(jsonText, (text) => {
      const parsed = parseStrictJson(Buffer.from(text))
      if (parsed.kind === 'problem') return
      expect(JSON.stringify(parsed.value)).toBe(JSON.stringify(parseExactJson(text)))
    }),
    { numRuns: 2_000 },
  )
})
