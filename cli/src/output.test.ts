import fc from 'fast-check'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { print, printError, printJson, printPage, printRows, progress, repaint } from './output.ts'

let written = ''
beforeEach(() => {
  written = ''
  for (const stream of [process.stdout, process.stderr]) {
    vi.spyOn(stream, 'write').mockImplementation((chunk) => {
      written += String(chunk)
      return true
    })
  }
})
afterEach(() => vi.restoreAllMocks())

const active = fc.constantFrom(
  '\u001b]0;x\u0007',
  '\u009b2J',
  '\r',
  '\n',
  '\u2028',
  '\u2029',
  '\u0085',
  '\u202e',
  '\u2067',
  '\u200b',
  '\ufeff',
  '\ud800',
  '\udc00',
  '\u007f',
  '\u{e0041}',
  '\t',
)
const text = fc.array(fc.oneof(active, fc.string()), { maxLength: 8 }).map((all) => all.join(''))
const ACTIVE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u

/** Lines that were written since; none of them acts upon a terminal. */
const linesOf = (act: () => void): readonly string[] => {
  written = ''
  act()
  const lines = written.split('\n')
  expect(lines.pop()).toBe('')
  for (const line of lines) expect(line).not.toMatch(ACTIVE)
  return lines
}

it('prints one line per text, without characters that a terminal acts on', () => {
  fc.assert(
    fc.property(fc.array(text, { minLength: 1, maxLength: 4 }), (texts) => {
      expect(linesOf(() => print(...texts))).toHaveLength(texts.length)
      expect(linesOf(() => progress(...texts))).toHaveLength(texts.length)
      const rows = texts.map((one) => ({ a: one, b: { [one]: one } }))
      expect(linesOf(() => printRows({ a: 'A', b: 'B' }, rows, {}))).toHaveLength(rows.length + 1)
      linesOf(() => printRows({ a: 'A' }, rows, { json: true }))
      expect(JSON.parse(written)).toEqual(JSON.parse(JSON.stringify(rows)))
      linesOf(() => printJson(texts))
      linesOf(() => printPage(texts.join('')))
      expect(linesOf(() => repaint(texts.join(''), { write: (one) => (written += one) }))).toHaveLength(1)
    }),
  )
})

it('indents every line of an error except the first', () => {
  fc.assert(
    fc.property(text, (message) => {
      const [, ...more] = linesOf(() => printError(new Error(message)))
      for (const line of more) expect(line).toMatch(/^ {2}/)
    }),
  )
})
