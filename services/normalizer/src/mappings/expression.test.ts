import { parseExactJson } from '@weir/exact-json'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { textOf } from './compile-mapping.ts'
import { compilePart } from './compile-part.ts'

const N = '1524831183200260097'
const M = '1524831183200260101'

/** The result of an expression as JSON; null if it has none. */
const evaluate = (json: string, jmespath: string): unknown =>
  JSON.stringify(compilePart({ jmespath })(parseExactJson(json)) ?? null)

const all = (json: string, cases: readonly (readonly [string, string])[]): void => {
  for (const [expression, result] of cases)
    expect([expression, evaluate(json, expression)]).toEqual([expression, result])
}

describe('JMESPath follows its specification and compliance suite', () => {
  it('orders only numbers', () => {
    const json = `{"one":1,"two":2,"three":3,"a":"a","b":"b","list":[],"object":{},"yes":true,"no":false}`
    all(json, [
      ...(
        [
          ['<', true],
          ['<=', true],
          ['>', false],
          ['>=', false],
          ['==', false],
          ['!=', true],
        ] as const
      ).map(([sign, result]) => [`one ${sign} two`, String(result)] as const),
      ['one <= one', 'true'],
      ['one >= one', 'true'],
      ...['a < b', 'a > b', 'b >= a', 'a <= a', 'one < b', "one < '2'", 'list < one', 'list < gone'].map(
        (one) => [one, 'null'] as const,
      ),
      ...['object < object', 'no < yes', 'gone < one', 'gone >= gone', 'one > no', '`null` <= `null`'].map(
        (one) => [one, 'null'] as const,
      ),
      ['one < two && three > one', 'true'],
      ['two < one || three < one', 'false'],
    ])
  })

  it('compares values of any type for equality', () => {
    const values = [
      'true',
      'false',
      '0',
      '1',
      '"0"',
      '""',
      'null',
      '[0]',
      '[1]',
      '{"bar":[0]}',
      '{"a":2,"b":1}',
    ]
    const json = `{"foo":[${values.map((value) => `{"key":${value}}`).join(',')}]}`
    for (const value of values) {
      const others = values.filter((one) => one !== value)
      all(json, [
        [`foo[?key == \`${value}\`].key | length(@)`, value === 'null' ? '0' : '1'],
        [`foo[?\`${value}\` == key]`, `[{"key":${value}}]`],
        [`foo[?key != \`${value}\`]`, `[${others.map((one) => `{"key":${one}}`).join(',')}]`],
      ])
    }
    all(json, [['foo[?key == `{"b":1,"a":2}`]', '[{"key":{"a":2,"b":1}}]']])
    all('{"a":null}', [
      ['a == b', 'true'],
      ['a == `null`', 'true'],
      ['b != `null`', 'false'],
    ])
  })

  it('treats null, false and empty values as false, and nothing else', () => {
    const json =
      '{"yes":true,"no":false,"five":5,"zero":0,"float":0.0,"none":null,"text":"","list":[],"object":{}}'
    const empty = ['no', 'none', 'gone', 'text', 'list', 'object']
    all(json, [
      ...empty.flatMap((one) => [
        [`${one} || five`, '5'] as const,
        [`!${one}`, 'true'] as const,
        [`(${one} && five) == ${one}`, 'true'] as const,
      ]),
      ...['zero', 'float', 'five', 'yes'].flatMap((one) => [
        [`${one} && 'next'`, '"next"'] as const,
        [`!${one}`, 'false'] as const,
        [`(${one} || 'next') == ${one}`, 'true'] as const,
      ]),
      ['five || yes && no', '5'],
      ['(five || yes) && no', 'false'],
      ['!!zero', 'true'],
      ['gone || alsoGone', 'null'],
    ])
  })

  it('filters arrays, and projects the elements that pass', () => {
    const json =
      '{"foo":[{"age":20},{"age":25},{"age":30},{"age":"27"},{"other":1}],"bar":{"age":30},"baz":[[1,2],[3]]}'
    all(json, [
      ['foo[?age > `25`]', '[{"age":30}]'],
      ['foo[?age >= `25`].age', '[25,30]'],
      ['foo[?age < `20`]', '[]'],
      ['foo[?age > `25`].gone', '[]'],
      ['foo[?age]', '[{"age":20},{"age":25},{"age":30},{"age":"27"}]'],
      ['foo[?!age]', '[{"other":1}]'],
      ['foo[?age > `20` && age < `30`].age | [0]', '25'],
      ['foo[?age > `21` || other].age', '[25,30]'],
      ['bar[?age > `1`]', 'null'],
      ['baz[?[0] == `3`]', '[[3]]'],
      ['baz[].{a: @}', '[{"a":1},{"a":2},{"a":3}]'],
      ['gone.[a, b]', 'null'],
      ['gone | {a: @}', 'null'],
    ])
  })

  it('reads literals in every spelling', () => {
    all('{"a":"it\'s","b":"x`y","c":"foo"}', [
      [String.raw`a == 'it\'s'`, 'true'],
      ['b == `"x\\`y"`', 'true'],
      ['c == `foo`', 'true'],
      ['c == `"foo"`', 'true'],
      ["'`1`'", '"`1`"'],
    ])
  })
})

describe('JMESPath with numbers that no double can hold', () => {
  it('distinguishes them by every digit, wherever they occur', () => {
    const json = `{"n":${N},"m":${M},"text":"${N}","list":[{"id":${N}},{"id":${M}},{"id":7}],"long":1.00000000000000000001}`
    all(json, [
      ['n == m', 'false'],
      ['n < m', 'true'],
      ['m > n', 'true'],
      ['n != m', 'true'],
      ['n <= n', 'true'],
      ['n == text', 'false'],
      ['n < text', 'null'],
      ['n > `5`', 'true'],
      ['long > `1`', 'true'],
      ['long == `1`', 'false'],
      [`n == \`${N}\``, 'true'],
      [`n == \`${M}\``, 'false'],
      [`n >= \`${M}\``, 'false'],
      [`list[?id == \`${M}\`]`, `[{"id":${M}}]`],
      [`list[?id > \`${N}\`].id`, `[${M}]`],
      [`[n] == \`[${N}]\``, 'true'],
      [`{a: n} == {a: m}`, 'false'],
      [`\`${N}\``, N],
      ['n.rawJSON', 'null'],
      ['n.*', 'null'],
      ['n || m', N],
      ['!n', 'false'],
      ['n && m', M],
      [`contains(list[].id, \`${M}\`)`, 'true'],
      [`contains(list[].id, \`1524831183200260000\`)`, 'false'],
      ['type(n)', '"number"'],
      ['to_string(n)', `"${N}"`],
      ['not_null(gone, n)', N],
      ['max(list[].id)', M],
      ['min([n, m])', N],
      ['sort([m, n, `3`])', `[3,${N},${M}]`],
      ['max_by(list, &id).id', M],
      ['sort_by(list, &id)[0].id', '7'],
      ["join('-', [to_string(n), text])", `"${N}-${N}"`],
      ['sum([n, m])', 'null'],
    ])
  })

  it('keeps the spelling of a number, and compares its value', () => {
    all('{"a":10.00,"b":1e1,"c":10,"list":[{"n":0.10},{"n":2.50}]}', [
      ['a', '10.00'],
      ['a == b', 'true'],
      ['b == c', 'true'],
      ['a == `10.0`', 'true'],
      ['a >= c && a <= b', 'true'],
      ['list[?n > `0.2`].n', '[2.50]'],
      ['sum(list[].n)', '2.6'],
      ['max(list[].n)', '2.50'],
    ])
    expect(textOf(compilePart({ jmespath: 'a' })(parseExactJson('{"a":10.00}')))).toBe('10.00')
  })

  it('orders decimals of any size by their exact values', () => {
    const digits = fc.stringMatching(/^-?(?:0|[1-9][0-9]{0,24})$/)
    fc.assert(
      fc.property(digits, digits, fc.nat(24), fc.nat(24), (one, other, places, more) => {
        const scale = 10n ** 24n
        const [a, b] = [
          BigInt(one) * scale * 10n ** BigInt(24 - places),
          BigInt(other) * scale * 10n ** BigInt(24 - more),
        ]
        const json = `{"a":${one}e-${places},"b":${other}E-${more}}`
        all(json, [
          ['a < b', String(a < b)],
          ['a >= b', String(a >= b)],
          ['a == b', String(a === b)],
        ])
      }),
    )
  })
})

it('ignores inherited properties', () => {
  all(
    '{"a":1}',
    ['constructor', 'toString', '__proto__', 'constructor.name'].map((one) => [`${one} || 'none'`, '"none"']),
  )
})

it.each(['a[?', 'a ==', "'a", 'a = b', '`1', 'foo(', 'a..b'])(
  'refuses %s, which is no expression',
  (jmespath) => {
    expect(() => compilePart({ jmespath })).toThrow()
  },
)
