import fc from 'fast-check'
import { expect, it } from 'vitest'
import { canonicalJson, canonicalNumber } from './canonical.ts'
import {
  isExactNumber,
  numberText,
  parseExactJson,
  replaceExactNumbers,
  type JsonObject,
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
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  // Few characters, so that many texts have a common beginning.
  fc
    .array(fc.constantFrom('a', '\\', '"', '\n', '\0', '\u{e000}', '0', '1'), { maxLength: 4 })
    .map((units) => units.join('')),
)

/**
 * JSON as a sender may write it, the expected output of JSON.stringify, and its value in doubles, made without parsing.
 */
interface Written {
  readonly text: string
  readonly compact: string
  readonly value: unknown
}

const unicode = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`

/** A string with some of its units escaped, and all that must be. */
const string = fc.tuple(text, fc.func(fc.boolean())).map(([value, isEscaped]): Written => {
  const units = value.split('').map((unit, at) => {
    if (isEscaped(unit, at)) return unicode(unit)
    return JSON.stringify(unit).slice(1, -1)
  })
  return { text: `"${units.join('')}"`, compact: JSON.stringify(value), value }
})

const written = fc.letrec<{ value: Written }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    numberToken.map((token) => ({ text: token, compact: token, value: Number(token) })),
    string,
    fc
      .constantFrom(true, false, null)
      .map((value) => ({ text: String(value), compact: String(value), value })),
    fc
      .array(fc.tuple(space, tie('value'), space), { maxLength: 4 })
      .map((items) => ({
        text: `[${items.map(([before, { text }, after]) => before + text + after).join(',')}]`,
        compact: `[${items.map(([, { compact }]) => compact).join(',')}]`,
        value: items.map(([, { value }]) => value),
      })),
    fc.array(fc.tuple(string, space, tie('value'), space), { maxLength: 4 }).map((fields) => {
      // The last of a name counts, in the place of the first, and array indexes come before all others.
      const values = Object.fromEntries(fields.map(([name, , value]) => [name.value as string, value]))
      const all = Object.entries(values)
      return {
        text: `{${fields.map(([name, before, { text }, after]) => `${name.text}${before}:${before}${text}${after}`).join(',')}}`,
        compact: `{${all.map(([name, { compact }]) => `${JSON.stringify(name)}:${compact}`).join(',')}}`,
        value: Object.fromEntries(all.map(([name, { value }]) => [name, value])),
      }
    }),
  ),
})).value

it('reads every name and string correctly, and writes every number with the digits that were sent', () => {
  fc.assert(
    fc.property(written, ({ text: source, compact }) => {
      expect(JSON.stringify(parseExactJson(source))).toBe(compact)
    }),
    { numRuns: 5_000 },
  )
})

it('reads names with escapes that the engine misreads', () => {
  // Having read the first of each pair, JSON.parse of Node 24 before 24.22 takes a name of the second for one of the
  // first.
  for (const [first, second, name] of [
    ['{"h":[],"id\\\\":0}', '{"h":1,"id\\n":2}', 'id\n'],
    ['{"h":[],"\\\\u":0}', '{"h":1,"\\u0031\\u0026":1.50}', '1&'],
    ['{"h":[],"名\\\\":0}', '{"h":1,"名\\"" :"x"}', '名"'],
    ['{"h":[],"a\\\\":0}', '{"h":[{"h":{},"a\\/":{"a\\u0000":1}}],"a\\u0000":1}', 'a\0'],
  ] as const) {
    JSON.parse(first)
    expect(Object.keys(parseExactJson(second) as JsonObject)).toEqual(['h', name])
  }
})

it('refuses the same texts as JSON.parse', () => {
  const damage = fc.tuple(
    fc.nat(),
    fc.nat(3),
    fc.constantFrom('', '\\', '"', ':', '\\u00', ' ', '\u{e000}', '\n'),
  )
  const acceptedBy = (parse: (source: string) => unknown, source: string): boolean => {
    try {
      parse(source)
      return true
    } catch (error) {
      expect(error).toBeInstanceOf(SyntaxError)
      return false
    }
  }
  fc.assert(
    fc.property(written, damage, ({ text: source }, [place, length, piece]) => {
      const at = place % (source.length + 1)
      const damaged = source.slice(0, at) + piece + source.slice(at + length)
      expect(acceptedBy(parseExactJson, damaged)).toBe(acceptedBy(JSON.parse, damaged))
    }),
    { numRuns: 5_000 },
  )
})

it('reads a number as a double only if that is lossless', () => {
  fc.assert(
    fc.property(numberToken, (token) => {
      const value = parseExactJson(` ${token} `)
      expect(numberText(value as never)).toBe(token)
      expect(isExactNumber(value)).toBe(String(Number(token)) !== token)
    }),
  )
})

it('distinguishes numbers that have the same double, and equates spellings of one number', () => {
  const [n, m] = ['1524831183200260097', '1524831183200260101']
  expect(Number(n)).toBe(Number(m))
  expect(canonicalJson(parseExactJson(n))).not.toBe(canonicalJson(parseExactJson(m)))
  for (const same of ['10', '10.0', '1e1', '1.0E+1', '100e-1']) expect(canonicalNumber(same)).toBe('1e1')
  for (const zero of ['0', '-0', '0.00', '0e99999999999']) expect(canonicalNumber(zero)).toBe('0')
  expect(canonicalNumber('-12.50')).toBe('-125e-1')
})

/** The same value with names in another order, other white space and every character escaped. */
const respelled = (value: JsonValue): string => {
  if (typeof value === 'string') return escaped(value)
  if (Array.isArray(value)) return `[ ${(value as readonly JsonValue[]).map(respelled).join(' ,\n')} ]`
  if (typeof value !== 'object' || value === null || isExactNumber(value)) return JSON.stringify(value)
  return `{${Object.entries(value)
    .reverse()
    .map(([name, one]) => `\t${escaped(name)} : ${respelled(one)}`)
    .join(',')}}`
}

const escaped = (one: string): string => `"${one.split('').map(unicode).join('')}"`

/** Removes the sign of zero, and replaces numbers that a double cannot hold by null. */
const withoutSignOfZero = (value: unknown): unknown => {
  if (typeof value === 'number') return Number.isFinite(value) ? value + 0 : null
  if (Array.isArray(value)) return value.map(withoutSignOfZero)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, withoutSignOfZero(one)]))
}

it('gives equal canonical texts for equal values in any spelling, and different texts for different values', () => {
  fc.assert(
    fc.property(written, written, (one, other) => {
      const [a, b] = [parseExactJson(one.text), parseExactJson(other.text)]
      expect(canonicalJson(parseExactJson(respelled(a)))).toBe(canonicalJson(a))
      // The canonical text is JSON of the same value: it tells all apart that differ.
      expect(canonicalJson(parseExactJson(canonicalJson(a)))).toBe(canonicalJson(a))
      if (canonicalJson(a) === canonicalJson(b)) {
        expect(withoutSignOfZero(one.value)).toEqual(withoutSignOfZero(other.value))
      }
    }),
    { numRuns: 2_000 },
  )
})

it('takes no longer for a single huge number than for many small ones', () => {
  const number = `1${'0'.repeat(800_000)}1`
  const start = performance.now()
  expect(canonicalNumber(number)).toBe(number)
  expect(canonicalNumber(`${number}000`)).toBe(`${number}e3`)
  // It took minutes when each inner zero started another search.
  expect(performance.now() - start).toBeLessThan(5_000)
})

it('takes no longer for a long text with escaped names than for many short ones', () => {
  const start = performance.now()
  const [backslashes, quotes] = ['\\\\'.repeat(400_000), '\\"'.repeat(400_000)]
  for (const name of [backslashes, quotes, `${backslashes}\\"`, `${' '.repeat(800_000)}\\n`]) {
    for (const source of [`{"${name}":1}`, `["${name}",{"\\n"${' '.repeat(9)}:1}]`, `["${name}`, name]) {
      if (source.endsWith('}') || source.endsWith(']')) parseExactJson(source)
      else expect(() => parseExactJson(source)).toThrow(SyntaxError)
    }
  }
  parseExactJson(`[${'{"\\"":"\\"","a":"\\n"},'.repeat(40_000)}{"\\n"${' '.repeat(500_000)}:1}]`)
  expect(performance.now() - start).toBeLessThan(5_000)
})

it('replaces exact numbers by doubles, and changes nothing else', () => {
  fc.assert(
    fc.property(written, ({ text: source, compact, value: meant }) => {
      const value = parseExactJson(source)
      const doubles = replaceExactNumbers(value, (number) => Number(numberText(number)))
      expect(doubles).toEqual(meant)
      if (JSON.stringify(meant) === compact && !source.includes('-0')) {
        expect(doubles).toBe(value)
      }
    }),
  )
})
