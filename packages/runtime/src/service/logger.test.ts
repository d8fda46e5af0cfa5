import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, it, onTestFinished } from 'vitest'
import { createLogger } from './logger.ts'

it('every log line is one line of JSON without characters that a terminal acts on', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-logger-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'log')
  const logger = createLogger('test', 'info', file)
  const active = fc.constantFrom(
    '\u001b[2J',
    '\u009b31m',
    '\u0085',
    '\u2028',
    '\u2029',
    '\u202e',
    '\u2066',
    '\u200b',
    '\ufeff',
    '\u007f',
    '\ud800',
    '\udc00',
    '\r\n{"level":60}\n',
    '\u0007',
    '\u{e0041}',
  )
  const text = fc
    .array(fc.oneof(active, fc.string()), { minLength: 1, maxLength: 8 })
    .map((all) => all.join(''))
  let lines = 0
  fc.assert(
    fc.property(text, (given) => {
      logger.warn({ id: given, nested: { [given]: [given] }, err: new Error(given) }, given)
      lines += 1
    }),
  )
  const log = readFileSync(file, 'utf8')
  expect(log).toMatch(
    /^[^\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069\u200b\ufeff\ufffd\u{e0041}]*$/u,
  )
  const parsed = log
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { msg: string; id: string })
  expect(parsed).toHaveLength(lines)
  expect(parsed.every(({ msg, id }) => msg === id)).toBe(true)
})
