import fc from 'fast-check'
import { expect, it } from 'vitest'
import { plainJson, plainLines, plainText } from './plain-text.ts'

/** Said without the function's own classes: ranges that a terminal, a log reader or a bidi renderer acts upon. */
const RANGES = [
  [0x00, 0x1f],
  [0x7f, 0x9f],
  [0xad, 0xad],
  [0x61c, 0x61c],
  [0x180e, 0x180e],
  [0x200b, 0x200f],

  [0x2028, 0x202e],
  [0x2060, 0x206f],
  [0x3164, 0x3164],
  [0xfe00, 0xfe0f],
  [0xfeff, 0xfeff],

  [0xfff9, 0xfffb],
  [0xd800, 0xdfff],
  [0xe0001, 0xe0001],
  [0xe0020, 0xe007f],
] as const
const isActive = (code: number): boolean => RANGES.some(([from, to]) => code >= from && code <= to)
const activeIn = (text: string): string[] => Array.from(text).filter((one) => isActive(one.codePointAt(0)!))

const active = fc
  .constantFrom(...RANGES)
  .chain(([from, to]) => fc.integer({ min: from, max: to }))
  .map((code) => String.fromCodePoint(code))
const text = fc
  .array(fc.oneof(active, fc.string({ unit: 'binary' })), { maxLength: 30 })
  .map((all) => all.join(''))

it.each([
  ['\u001b[2J\u001b]0;title\u0007', '\\u001b[2J\\u001b]0;title\\u0007'],
  ['\u009b31m', '\\u009b31m'],
  ['a\r\nb', 'a\\u000d\\u000ab'],
  ['a\u2028b\u2029c\u0085d', 'a\\u2028b\\u2029c\\u0085d'],
  ['\u202egnp.exe\u2066\u2069', '\\u202egnp.exe\\u2066\\u2069'],
  ['a\u200bb\u2060c\ufeffd', 'a\\u200bb\\u2060c\\ufeffd'],
  ['\ud800x\udc00', '\\ud800x\\udc00'],
  ['\u{e0041}', '\\udb40\\udc41'],
  ['Grüße, 你好 😀 =1+1 <b>', 'Grüße, 你好 😀 =1+1 <b>'],
])('of %j is left %j', (given, plain) => {
  expect(plainText(given)).toBe(plain)
})

it('no active character is left in any text, and every other character stays', () => {
  fc.assert(
    fc.property(text, (given) => {
      expect(activeIn(plainText(given))).toEqual([])
      expect(activeIn(plainLines(given)).filter((one) => one !== '\n')).toEqual([])
      expect(plainLines(given).split('\n')).toHaveLength(given.split('\n').length)
    }),
  )
  fc.assert(fc.property(fc.string({ unit: 'grapheme-ascii' }), (given) => plainText(given) === given))
})

it('JSON keeps its value, and has one line unless it is indented', () => {
  fc.assert(
    fc.property(fc.dictionary(text, fc.oneof(text, fc.array(text))), (value) => {
      const json = plainJson(value)
      expect(activeIn(json)).toEqual([])
      expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify(value)))
      expect(JSON.parse(plainJson(value, 2))).toEqual(JSON.parse(json))
    }),
  )
})
