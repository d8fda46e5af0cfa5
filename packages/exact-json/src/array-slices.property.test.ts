import fc from 'fast-check'
import { expect, it } from 'vitest'
import { sliceArray, type ArraySlices } from './array-slices.ts'

const space = fc.constantFrom('', ' ', '\n', '\t ', '\r\n  ')
const text = fc.string({ unit: 'binary', maxLength: 12 })
/** JSON.parse of Node 24 before 24.22 can misread names with escapes. */
const name = text.map((one) => one.replaceAll(/[^ !#-[\]-~]/g, '_'))
const number = fc.constantFrom('0', '-0', '1524831183200260097', '10.00', '1e400', '-0.5E-3')

/** The text of any JSON value, with brackets, quotes and commas also in strings. */
const jsonText = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    number,
    text.map((one) => JSON.stringify(one)),
    fc.constantFrom('true', 'null', '"\\u005b\\"]}{,"', '"\\\\"', '[]', '{}'),
    fc
      .array(fc.tuple(space, tie('value'), space), { maxLength: 4 })
      .map((values) => `[${values.map((one) => one.join('')).join(',')}]`),
    fc
      .array(fc.tuple(name, space, tie('value'), space), { maxLength: 4 })
      .map(
        (fields) =>
          `{${fields.map(([key, a, one, b]) => `${JSON.stringify(key)}${a}:${b}${one}${a}`).join(',')}}`,
      ),
  ),
})).value

const spaced = fc.tuple(space, jsonText, space)
const array = fc
  .array(spaced, { maxLength: 6 })
  .map((parts) => ({
    text: `[${parts.map((one) => one.join('')).join(',')}]`,
    elements: parts.map((one) => one[1]),
  }))

const slicesOf = (source: string, found: ArraySlices): string[] => {
  if (found.kind !== 'sliced') throw new Error(found.kind)
  const bytes = Buffer.from(source)
  return found.elements.map(([start, end]) => bytes.toString('utf8', start, end))
}

it('finds the exact text of each element, without the white space around it', () => {
  fc.assert(
    fc.property(array, space, space, (made, before, after) => {
      const source = before + made.text + after
      const found = sliceArray(Buffer.from(source), [], 100)
      expect(slicesOf(source, found)).toEqual(made.elements)
      expect(made.elements.map((one) => JSON.parse(one) as unknown)).toEqual(JSON.parse(source))
    }),
    { numRuns: 2_000 },
  )
})

it('finds the array at a path among other members, with any escapes in its name', () => {
  const others = fc
    .array(
      fc.tuple(
        name.map((one) => `x${one}`),
        jsonText,
      ),
      { maxLength: 3 },
    )
    .map((members) => members.map(([key, value]) => `${JSON.stringify(key)}:${value}`))
  const spelling = fc.constantFrom('"items"', '"\\u0069tems"', '"\\u0069\\u0074\\u0065\\u006d\\u0073"')
  fc.assert(
    fc.property(array, others, others, space, spelling, (made, before, after, gap, key) => {
      const inner = `{${[...before, `${key}${gap}:${gap}${made.text}${gap}`, ...after].join(`${gap},`)}}`
      const source = `${gap}{${[...after, `"data":${inner}`, ...before].join(',')}}`
      const found = sliceArray(Buffer.from(source), ['data', 'items'], 100)
      expect(slicesOf(source, found)).toEqual(made.elements)
      if (found.kind !== 'sliced') return
      const bytes = Buffer.from(source)
      expect(bytes.toString('utf8', ...found.array)).toBe(made.text)
    }),
    { numRuns: 1_000 },
  )
})

it('reports a path without an array', () => {
  const find = (source: string, path: readonly string[] = []) => sliceArray(Buffer.from(source), path, 2)
  expect(find('{}', ['a'])).toEqual({ kind: 'no_array', isMissing: true })
  expect(find('{"a":{"b":1}}', ['a', 'b'])).toEqual({ kind: 'no_array', isMissing: false })
  expect(find('{"a":[1]}', ['a', 'b'])).toEqual({ kind: 'no_array', isMissing: false })
  expect(find('7')).toEqual({ kind: 'no_array', isMissing: false })
  expect(find('[1,2,3]')).toEqual({ kind: 'too_many' })
  for (const bad of ['', ' ', '[', '[1', '[1}', '["]', '[[1]', '[1,2'])
    expect(find(bad).kind).toBe('not_json')
  for (const bad of ['{', '{"a', '{"a"', '{"a":', '{a:[1]}', '{"b":1', '{"b":1]', '{"\\q":1,"a":[]}'])
    expect(find(bad, ['a']).kind).toBe('not_json')
})

it('never throws, and finds no more than the limit, in any bytes', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc
      .string({
        unit: fc.constantFrom('[', ']', '{', '}', '"', ',', ':', '\\', ' ', 'a', '1'),
        maxLength: 60,
      })
      .map((one) => Buffer.from(one)),
  )
  fc.assert(
    fc.property(bytes, fc.constantFrom([], ['a'], ['a', 'a']), (given, path) => {
      const found = sliceArray(Buffer.from(given), path, 5)
      if (found.kind === 'sliced') expect(found.elements.length).toBeLessThanOrEqual(5)
    }),
    { numRuns: 5_000 },
  )
})

it('takes time in proportion to the text, however it is nested', () => {
  const bomb = `[${'['.repeat(450_000)}${']'.repeat(450_000)}]`
  const flat = `[${'1,'.repeat(450_000)}1]`
  for (const source of [bomb, flat, '['.repeat(900_000), `{${'"a":1,'.repeat(150_000)}"b":[]}`]) {
    const startedAt = performance.now()
    sliceArray(Buffer.from(source), source.startsWith('{') ? ['b'] : [], 1_000_000)
    expect(performance.now() - startedAt).toBeLessThan(3_000)
  }
})
