import { parseExactJson } from '@weir/exact-json'
import { expect, it } from 'vitest'
import { compilePart } from './compile-part.ts'
import { textOf } from './compile-mapping.ts'
import { compileRules } from './compile-rules.ts'

const brokenRule = (jsonSchema: Record<string, unknown>) =>
  compileRules({ custom: { jsonSchema } }).get('custom')!.brokenRule

const amounts = brokenRule({
  type: 'object',
  properties: {
    amount: { type: 'number', maximum: 100 },
    id: { type: 'integer' },
    kind: { enum: [1, 2] },
    list: { type: 'array', items: { type: 'number', multipleOf: 0.5 } },
  },
  additionalProperties: false,
})

it.each([
  '{"amount":10.50}',
  '{"amount":-0}',
  '{"amount":1e2}',
  '{"amount":1.00000000000000000001}',
  '{"id":1524831183200260097}',
  '{"id":12345678901234567890}',
  '{"id":1.0}',
  '{"kind":2.0}',
  '{"list":[1.50,2,3e0]}',
])('finds no fault with %s, however its numbers are written', (body) => {
  expect(amounts(parseExactJson(body))).toBeUndefined()
})

it.each(['{"amount":100.01}', '{"amount":1e3}', '{"id":1.50}', '{"kind":3.0}', '{"list":[1.50,1.20]}'])(
  'finds the fault of %s',
  (body) => {
    expect(amounts(parseExactJson(body))).toMatch(/^#\/properties\//)
  },
)

it('reports a body that is nested too deeply for a recursive schema', () => {
  const tree = brokenRule({ type: 'array', items: { $ref: '#' } })
  const deep = parseExactJson('['.repeat(50_000) + ']'.repeat(50_000))
  expect(tree(deep)).toBe('schema: the body is nested too deeply for it')
})

it('finds the digits of a number by a search, and no fields inside the number', () => {
  const found = (path: string, body: string) => textOf(compilePart(path)(parseExactJson(body)))
  expect(found('$..id', '{"a":{"id":1524831183200260097}}')).toBe('1524831183200260097')
  expect(found('$.a[*]', '{"a":[10.00]}')).toBe('10.00')
  expect(found('$.a.*', '{"a":10.00}')).toBeNull()
  expect(found('$..rawJSON', '{"a":[10.00]}')).toBeNull()
})
