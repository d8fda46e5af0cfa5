import fc from 'fast-check'
import { expect, it } from 'vitest'
import { isEverywhere, isInRanges, parseCidr } from './address.ts'

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

it.each([
  ['::ffff:10.0.0.0/104', '10.1.2.3', true],
  ['::ffff:10.0.0.0/104', '::ffff:10.1.2.3', true],
  ['::ffff:10.0.0.0/104', '11.1.2.3', false],
  ['::ffff:10.1.2.3', '10.1.2.3', true],
  ['::ffff:10.1.2.3/128', '10.1.2.3', true],
  ['::ffff:0:0/96', '203.0.113.9', true],
  ['::/0', '203.0.113.9', false],
])('reads the range %s as IPv4 where it is: %s is in it: %s', (range, address, isIn) => {
  expect(isInRanges(address, [parseCidr(range)])).toBe(isIn)
})

it.each(['1.2.3', '10.0.0.0/33', '10/8', 'example.com', '10.0.0.0/', '', '10.0.0.1 '])(
  'does not take %s',
  (text) => {
    expect(() => parseCidr(text)).toThrow(/is not/)
  },
)

it.each([
  [['0.0.0.0/0'], true],
  [['1.2.3.4/0'], true],
  [['::/0'], true],
  [['::ffff:0:0/96'], true],
  [['2000::/3'], true],
  [['0.0.0.0/1', '128.0.0.0/1'], true],
  [['0.0.0.0/2', '64.0.0.0/3', '96.0.0.0/3'], true],
  [['10.0.0.0/8', '0.0.0.0/1'], true],
  [['2000::/4', '3000::/5'], true],
  [['0.0.0.0/2', '64.0.0.0/3', '64.0.0.0/3', '10.0.0.0/8'], false],
  [['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'], false],
  [['fc00::/7', 'fe80::/10', '::1'], false],
  [['2001:db8::/32', '192.0.2.1'], false],
  [[], false],
])('whether %j is everywhere: %s', (ranges, isSo) => {
  expect(isEverywhere(ranges.map(parseCidr))).toBe(isSo)
})

it('ranges that cover half of all addresses are everywhere, and without one of them they are not', () => {
  const bits = fc.integer({ min: 2, max: 12 })
  fc.assert(
    fc.property(bits, fc.boolean(), (depth, isUpper) => {
      // The halves of the halves: /2, /3, ... of one side, the last one twice, come to a /1.
      const base = isUpper ? 2 ** 31 : 0
      const ranges: string[] = []
      let from = base
      for (let length = 2; length <= depth; length += 1) {
        ranges.push(`${dotted(from)}/${length}`)
        from += 2 ** (32 - length)
      }
      expect(isEverywhere(ranges.map(parseCidr))).toBe(false)
      expect(isEverywhere([...ranges, `${dotted(from)}/${depth}`].toReversed().map(parseCidr))).toBe(true)
    }),
  )
})

const dotted = (value: number): string => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.')
