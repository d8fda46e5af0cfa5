import fc from 'fast-check'
import { expect, it } from 'vitest'
import { canonicalJson, canonicalNumber } from './canonical.ts'
import {
  isExactNumber,
  numberText,
  parseExactJson,
  replaceExactNumbers,
  type JsonValue,
} from './exact-json.ts'

const digits = (min: number, max: number) =>
  fc
    .array(fc.integer({ min: 0, max: 9 }), { minLength: min, maxLength: max })
    .map((numbers) => numbers.join(''))
const whole = fc.oneof(
  fc.constant('0'),
  fc.tuple(fc.integer({ min: 1, max: 9 }), digits(0, 40)).map(([first, rest]) => `${first}${rest}`),
)
const fraction = fc.option(
  digits(1, 30).map((text) => `.${text}`),
  { nil: '' },
)
const exponent = fc.option(
  fc
    .tuple(fc.constantFrom('e', 'E'), fc.constantFrom('', '+', '-'), digits(1, 12))
    .map((parts) => parts.join('')),
  { nil: '' },
)
const numberToken = fc
  .tuple(fc.constantFrom('', '-'), whole, fraction, exponent)
  .map((parts) => parts.join(''))
const space = fc.constantFrom('', ' ', '\n', '\t ', '\r\n')
const text = fc.string({ unit: 'binary', maxLength: 12 })

/** JSON.parse of Node 24.21.0 now and then misreads names with escapes. */
const name = text.map((one) => one.replaceAll(/[^ !#-[\]-~]/g, '_'))

/** Any JSON text, its tokens spelled by the generator itself. */
const jsonText = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    numberToken,
    text.map((one) => JSON.stringify(one)),
    fc.constantFrom('true', 'false', 'null'),
    fc
      .array(fc.tuple(space, tie('value'), space), { maxLength: 4 })
      .map((values) => `[${values.map((one) => one.join('')).join(',')}]`),
    fc
      .uniqueArray(fc.tuple(name, space, tie('value'), space), { maxLength: 4, selector: ([name]) => name })
      .map(
        (fields) =>
          `{${fields.map(([name, before, value, after]) => `${JSON.stringify(name)}${before}:${before}${value}${after}`).join(',')}}`,
      ),
  ),
})).value

/** What JSON.stringify makes of the source when every number travels as a marked string. */
const throughMarkedStrings = (source: string): string => {
  const marked = source.replace(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g, (token) =>
    token.startsWith('"') ? token : `"\u{e000}${token}\u{e001}"`,
  )
  return JSON.stringify(JSON.parse(marked)).replace(/"\u{e000}([^"]*)\u{e001}"/gu, '$1')
}

it('writes every number with the digits that it was sent with', () => {
  fc.assert(
    fc.property(jsonText, (source) => {
      expect(JSON.stringify(parseExactJson(source))).toBe(throughMarkedStrings(source))
    }),
    { numRuns: 2_000 },
  )
})

it('keeps a number as a number only where that loses nothing', () => {
  fc.assert(
    fc.property(numberToken, (token) => {
      const value = parseExactJson(` ${token} `)
      expect(numberText(value as never)).toBe(token)
      expect(isExactNumber(value)).toBe(String(Number(token)) !== token)
    }),
  )
})

it('tells numbers apart that are one double, and not spellings of one number', () => {
  const [n, m] = ['1524831183200260097', '1524831183200260101']
  expect(Number(n)).toBe(Number(m))
  expect(canonicalJson(parseExactJson(n))).not.toBe(canonicalJson(parseExactJson(m)))
  for (const same of ['10', '10.0', '1e1', '1.0E+1', '100e-1']) expect(canonicalNumber(same)).toBe('1e1')
  for (const zero of ['0', '-0', '0.00', '0e99999999999']) expect(canonicalNumber(zero)).toBe('0')
  expect(canonicalNumber('-12.50')).toBe('-125e-1')
})

/** The same value in another spelling: names in another order, other white space, every character escaped. */
const respelled = (value: JsonValue): string => {
  if (typeof value === 'string') return escaped(value)
  if (Array.isArray(value)) return `[ ${(value as readonly JsonValue[]).map(respelled).join(' ,\n')} ]`
  if (typeof value !== 'object' || value === null || isExactNumber(value)) return JSON.stringify(value)
  return `{${Object.entries(value)
    .reverse()
    .map(([name, one]) => `\t${escaped(name)} : ${respelled(one)}`)
    .join(',')}}`
}

const escaped = (one: string): string =>
  `"${Array.from({ length: one.length }, (_, at) => `\\u${one.charCodeAt(at).toString(16).padStart(4, '0')}`).join('')}"`

/** Without the sign of zero. */
const asDoubles = (source: string): unknown => JSON.parse(JSON.stringify(JSON.parse(source)))

it('gives one canonical text for one value, however it is written, and another for another value', () => {
  fc.assert(
    fc.property(jsonText, jsonText, (one, other) => {
      const [a, b] = [parseExactJson(one), parseExactJson(other)]
      expect(canonicalJson(parseExactJson(respelled(a)))).toBe(canonicalJson(a))
      // The canonical text is JSON of the same value: it tells all apart that differ.
      expect(canonicalJson(parseExactJson(canonicalJson(a)))).toBe(canonicalJson(a))
      if (canonicalJson(a) === canonicalJson(b)) expect(asDoubles(one)).toEqual(asDoubles(other))
    }),
    { numRuns: 2_000 },
  )
})

it('takes no longer for a number of a whole body than for many small ones', () => {
  const number = `1${'0'.repeat(800_000)}1`
  const start = performance.now()
  expect(canonicalNumber(number)).toBe(number)
  expect(canonicalNumber(`${number}000`)).toBe(`${number}e3`)
  // It took minutes when each zero inside began a search of its own.
  expect(performance.now() - start).toBeLessThan(5_000)
})

it('puts doubles in the place of exact numbers, and leaves all else as it is', () => {
  fc.assert(
    fc.property(jsonText, (source) => {
      const value = parseExactJson(source)
      const doubles = replaceExactNumbers(value, (number) => Number(numberText(number)))
      expect(doubles).toEqual(JSON.parse(source))
      if (JSON.stringify(JSON.parse(source)) === JSON.stringify(value) && !source.includes('-0')) {
        expect(doubles).toBe(value)
      }
    }),
  )
})
