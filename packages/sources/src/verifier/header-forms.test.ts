import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PRESETS } from '../presets/index.ts'
import { RequestHeaders } from './content/request-headers.ts'
import { signedHeaders } from './sign.ts'
import { hmacOverBody, type HmacSpec } from './spec.ts'
import { formatTimestamp, parseTimestamp } from './timestamp.ts'
import { createVerifier } from './verifier.ts'

const NOW = 1_700_000_000_000
const RAW = Buffer.from('{}')

const pairsSpec = hmacOverBody('x-signature', 'hex', {
  form: 'pairs',
  label: 'v1',
  content: '{timestamp}.{body}',
  timestamp: { pair: 't', unit: 's', toleranceSecs: 300 },
})
const semicolons: HmacSpec = { ...pairsSpec, separator: ';' }
const listSpec = hmacOverBody('x-signature', 'base64', { form: 'list', label: 'v1' })

const judge = (spec: HmacSpec, header: string) =>
  createVerifier(spec, ['a secret'])(RequestHeaders.of({ [spec.header]: header }), RAW, NOW)

describe.each<[string, HmacSpec, string]>([
  ['pairs', pairsSpec, ','],
  ['pairs with semicolons', semicolons, ';'],
  ['a list', listSpec, ' '],
])('%s', (_, spec, separator) => {
  const own = signedHeaders(spec, 'a secret', RAW, { now: NOW })[spec.header]!.split(separator)
  const sign = spec.form === 'list' ? ',' : '='
  const foreign = fc
    .tuple(fc.stringMatching(/^[A-Za-z][A-Za-z0-9._-]{0,40}$/), fc.stringMatching(/^[A-Za-z0-9+/.-]{0,40}$/))
    .filter(([label]) => label !== 'v1' && label !== 't')
    .map(([label, value]) => `${label}${sign}${value}`)

  it('may have white space between, and entries of other labels, in any order', () => {
    const blanks = fc.stringMatching(spec.form === 'list' ? /^ {0,3}$/ : /^[ \t]{0,3}$/)
    fc.assert(
      fc.property(
        fc
          .array(foreign, { maxLength: 10 })
          .chain((others) =>
            fc.shuffledSubarray([...own, ...others], { minLength: own.length + others.length }),
          ),
        blanks,
        blanks,
        (entries, before, after) => {
          expect(judge(spec, entries.join(`${before}${separator}${after}`))).toEqual({
            kind: 'valid',
            secret: 0,
          })
        },
      ),
    )
  })

  it('are refused without a known entry, and unreadable entries are ignored', () => {
    fc.assert(
      fc.property(fc.array(foreign, { minLength: 1, maxLength: 4 }), (others) => {
        expect(judge(spec, others.join(separator)).kind).toBe('invalid')
        const broken = `v1${sign}zz`
        for (const entries of [
          [...own, broken, ...others],
          [broken, ...others, `v1${sign}`, ...own],
        ]) {
          expect(judge(spec, entries.join(separator))).toEqual({ kind: 'valid', secret: 0 })
        }
        const time = own.filter((entry) => entry.startsWith('t='))
        expect(judge(spec, [...time, broken, ...others].join(separator))).toEqual({
          kind: 'invalid',
          reason: 'malformed',
        })
      }),
    )
  })
})

it('ignores entries without a label', () => {
  for (const spec of [pairsSpec, semicolons, listSpec]) {
    const header = signedHeaders(spec, 'a secret', RAW, { now: NOW })['x-signature']!
    const separator = spec.form === 'list' ? ' ' : (spec.separator ?? ',')
    expect(judge(spec, `keyless${separator}${header}${separator}v9`).kind).toBe('valid')
    expect(judge(spec, 'keyless').kind).toBe('invalid')
  }
})

it('accepts the common form t=<time>, v1=<hex>', () => {
  const header = signedHeaders(pairsSpec, 'a secret', RAW, { now: NOW })['x-signature']!
  expect(judge(pairsSpec, header.replace(',', ', ')).kind).toBe('valid')
  expect(judge(pairsSpec, `${header}, t=1700000000`)).toMatchObject({ reason: 'malformed' })
})

describe('timestamps in ISO 8601', () => {
  it('are parsed to the moment that they were written for', () => {
    const moment = fc.date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true })
    fc.assert(
      fc.property(moment, fc.constantFrom('s', 'ms', 'iso'), (date, unit) => {
        const wanted = unit === 's' ? Math.floor(date.getTime() / 1_000) * 1_000 : date.getTime()
        fc.pre(unit === 'iso' || date.getTime() > 1e11)
        expect(parseTimestamp(formatTimestamp(date.getTime(), unit), unit)).toBe(wanted)
      }),
    )
  })

  it.each([
    ['2023-11-14T22:13:20Z', NOW],
    ['2023-11-14T22:13:20.000Z', NOW],
    ['2023-11-14T22:13:20.000000001Z', NOW],
    ['2023-11-15T00:13:20+02:00', NOW],
    ['2023-11-15T00:13:20+0200', NOW],
    ['2023-11-14T20:13:20.000-02', NOW],
    ['2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29)],
  ])('%s is a moment', (text, moment) => expect(parseTimestamp(text, 'iso')).toBe(moment))

  it.each([
    '2023-11-14T22:13:20',
    '2023-11-14',
    '2023-11-14 22:13:20Z',
    '2023-02-29T00:00:00Z',
    '1700000000',
    '2023-11-14T22:13:20+2',
    '2023-11-14T22:13:20+02:0',
    '2023-11-14T22:13:20+2500',
    '2023-13-01T00:00:00Z',
    '2023-11-14T25:00:00Z',
    '2023-11-14T22:13:20z',
    ' 2023-11-14T22:13:20Z',
    '',
  ])('%s is not a moment', (text) => expect(parseTimestamp(text, 'iso')).toBeUndefined())

  it('are signed as they were written, and late ones are refused', () => {
    const spec = PRESETS.zendesk.verifier as HmacSpec
    const headers = signedHeaders(spec, 'a secret', RAW, { now: NOW })
    const verify = createVerifier(spec, ['a secret'])
    expect(verify(RequestHeaders.of(headers), RAW, NOW).kind).toBe('valid')
    expect(verify(RequestHeaders.of(headers), RAW, NOW + 301_000)).toMatchObject({
      reason: 'timestamp_outside_tolerance',
    })
    const moved = { ...headers, 'x-zendesk-webhook-signature-timestamp': '2023-11-14T22:13:21.000Z' }
    expect(verify(RequestHeaders.of(moved), RAW, NOW)).toMatchObject({ reason: 'no_match' })
  })
})
