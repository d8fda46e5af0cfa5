import fc from 'fast-check'
import { expect, it } from 'vitest'
import { momentOf, UTC, zoneOffset } from './occurred-at.ts'

const iso = (text: string, zone = UTC): string | undefined => {
  const moment = momentOf(text, zone)
  if (moment === undefined) return undefined
  const { epochMs, nanosOfMs } = moment
  return `${new Date(epochMs).toISOString().slice(0, -1)}${String(nanosOfMs).padStart(6, '0')}`
}

it.each([
  ['2024-05-11T12:00:00Z', '2024-05-11T12:00:00.000000000'],
  ['2024-05-11T12:00:00.1239999Z', '2024-05-11T12:00:00.123999900'],
  ['2024-05-11t12:00:00,5z', '2024-05-11T12:00:00.500000000'],
  ['2024-05-11 12:00:00.123456789 +0200', '2024-05-11T10:00:00.123456789'],
  ['2024-05-11T12:00:00.1234567890123-05:30', '2024-05-11T17:30:00.123456789'],
  ['2024-05-11T12:00+02', '2024-05-11T10:00:00.000000000'],
  ['2024-05-11T12:00:00', '2024-05-11T12:00:00.000000000'],
  ['2024-05-11', '2024-05-11T00:00:00.000000000'],
  ['2024-02-29', '2024-02-29T00:00:00.000000000'],
  ['1715428800', '2024-05-11T12:00:00.000000000'],
  ['1715428800.25', '2024-05-11T12:00:00.250000000'],
  ['1715428800123', '2024-05-11T12:00:00.123000000'],
  ['1715428800123.4567', '2024-05-11T12:00:00.123456700'],
  ['1715428800123456', '2024-05-11T12:00:00.123456000'],
  ['1715428800123456789', '2024-05-11T12:00:00.123456789'],
  ['-1.5', '1969-12-31T23:59:58.500000000'],
  ['0', '1970-01-01T00:00:00.000000000'],
  ['1.5248311832002601e+18', '2018-04-27T12:13:03.200260100'],
  ['1.7154288001234567E9', '2024-05-11T12:00:00.123456700'],
  ['17154288001234e-4', '2024-05-11T12:00:00.123400000'],
])('reads %s', (text, expected) => {
  expect(iso(text)).toBe(expected)
})

it.each([
  '9999-12-31T23:59:59.9999999-05:00',
  '9999-12-31T23:59:59.9999999',
  '0001-01-01T00:00:00',
  '2023-02-29',
  '2024-02-30T00:00:00Z',
  '2024-04-31',
  '2024-13-01',
  '2024-00-10',
  '2024-01-00',
  '2024-05-11T24:00:00Z',
  '2024-05-11T12:60:00Z',
  '2024-05-11T12:00:00+24:00',
  '+012024-05-11T12:00:00Z',
  'Sat, 11 May 2024 12:00:00 GMT',
  '11/05/2024',
  '2024-05-11T12',
  'yesterday',
  '',
  'e9',
  '1e',
  '٢٠٢٤-05-11',
  '99999999999999999999999999',
  '1e99',
  '1e400',
  '2024-05-11T12:00:00Z ',
  '2024-131',
])('takes %s for no moment', (text) => {
  expect(momentOf(text, UTC)).toBeUndefined()
})

it('reads every time that JavaScript writes, with the same result in every time zone', () => {
  fc.assert(
    fc.property(
      fc.date({ min: new Date('1900-01-01'), max: new Date('9999-12-29'), noInvalidDate: true }),
      (date) => {
        expect(momentOf(date.toISOString(), UTC)).toEqual({ epochMs: date.getTime(), nanosOfMs: 0 })
      },
    ),
  )
})

it('orders times by their digits', () => {
  const fraction = fc.stringMatching(/^[0-9]{9}$/)
  fc.assert(
    fc.property(fraction, fraction, (one, other) => {
      const [a, b] = [one, other].map((digits) => momentOf(`2024-05-11T12:00:00.${digits}Z`, UTC)!)
      const nanos = ({ epochMs, nanosOfMs }: NonNullable<typeof a>) =>
        BigInt(epochMs) * 1_000_000n + BigInt(nanosOfMs)
      expect(nanos(a!) - nanos(b!)).toBe(BigInt(one) - BigInt(other))
    }),
  )
})

it('reads a time without a zone in the zone of its source', () => {
  const berlin = zoneOffset('Europe/Berlin')
  expect(iso('2024-05-11T12:00:00', berlin)).toBe('2024-05-11T10:00:00.000000000')
  expect(iso('2024-01-11T12:00:00', berlin)).toBe('2024-01-11T11:00:00.000000000')
  expect(iso('2024-05-11T12:00:00Z', berlin)).toBe('2024-05-11T12:00:00.000000000')
  expect(iso('2024-05-11', zoneOffset('+05:30'))).toBe('2024-05-10T18:30:00.000000000')
  // Clocks go forward at 02:00 and back at 03:00.
  expect(iso('2024-03-31T02:30:00', berlin)).toBe('2024-03-31T01:30:00.000000000')
  expect(iso('2024-10-27T02:30:00', berlin)).toBe('2024-10-27T00:30:00.000000000')
  expect(() => zoneOffset('Nowhere/City')).toThrow(RangeError)
  expect(() => zoneOffset('+25:00')).toThrow(RangeError)
})
