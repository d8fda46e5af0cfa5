import { expect, it } from 'vitest'
import { isBasic, isBearer, isInRanges, parseCidr } from './address.ts'

it.each([
  ['10.1.2.3', true],
  ['::ffff:10.1.2.3', true],
  ['192.0.2.7', true],
  ['192.0.2.8', false],
  ['2001:db8::1', true],
  ['2001:db9::1', false],
  ['::ffff:192.0.2.8', false],
  ['012.1.2.3', false],
  ['0x0a.1.2.3', false],
  ['167838211', false],
  ['10.1.2.3, 192.0.2.7', false],
  ['', false],
])('finds %s in the ranges: %s', (address, isIn) => {
  expect(isInRanges(address, ['10.0.0.0/8', '192.0.2.7', '2001:db8::/32'].map(parseCidr))).toBe(isIn)
})

it.each(['1.2.3', '10.0.0.0/33', '10/8', 'example.com', '10.0.0.0/', '', '10.0.0.1 '])(
  'does not take %s',
  (text) => {
    expect(() => parseCidr(text)).toThrow(/is not/)
  },
)

it('knows tokens', () => {
  for (const header of ['Bearer t', 'bearer t', 'BEARER t', 'bEaReR  t'])
    expect(isBearer(header, 't')).toBe(true)
  for (const header of [
    undefined,
    '',
    't',
    ' t',
    'Bearer',
    'Bearert',
    'Bearer\tt',
    'Basic t',
    'Bearer t ',
    'Bearer T',
  ])
    expect(isBearer(header, 't')).toBe(false)
  expect(isBearer(undefined, '')).toBe(false)
  for (const scheme of ['Basic', 'basic', 'BASIC'])
    expect(isBasic(`${scheme} ${btoa('u:p')}`, 'u:p')).toBe(true)
  for (const header of [undefined, 'Basic u:p', `Bearer ${btoa('u:p')}`, `Basic ${btoa('u:q')}`])
    expect(isBasic(header, 'u:p')).toBe(false)
})
