import { storedText } from '@weir/contracts'
import fc from 'fast-check'
import { JSONPath } from 'jsonpath-plus'
import { expect, it } from 'vitest'
import { compilePart, InvalidPartError } from './compile-part.ts'
import { loadMappings } from './load-mappings.ts'
import { Mapper } from './mapper.ts'
import { mappingFile } from './mapping.ts'

const odd = mappingFile.parse({
  mappings: [
    {
      name: 'everything that may go wrong',
      source: 'odd',
      fields: {
        channel: ['$..channel', '$.a[*].b', '$.constructor', '$.a.length', '$'],
        direction: [{ jmespath: "join(',', a)" }, { jmespath: 'length(a) > `2` && a[0] || b' }],
        queue: "$['a b'][0]",
        skill: '$.a[1:3]',
      },
      constants: { agentId: 'constant' },
      attributesFrom: ['$', '$.a'],
    },
  ],
}).mappings

const mappings = [...loadMappings([]).mappings, ...odd]
const mapper = new Mapper(mappings)
const sources = [...new Set(mappings.map(({ source }) => source))]
const names = fc.oneof(
  fc.string(),
  fc.constantFrom('data', 'customer', 'participants', 'a', 'b', 'timestamp', '__proto__'),
)
const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.jsonValue(),
    fc.string(),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(names, tie('value'), { maxKeys: 6 }),
  ),
})).value

it('never throws, and gives only texts, for any JSON value', () => {
  fc.assert(
    fc.property(json, fc.constantFrom(...sources), (value, source) => {
      const payload = JSON.parse(JSON.stringify(value)) as object
      const compiled = mapper.find(source, payload)
      if (compiled === undefined) throw new Error(`no mapping of ${source} fits`)
      const { parts, attributes, partsMissing } = mapper.map(compiled, payload, true)
      for (const part of Object.values(parts)) expect(part === null || typeof part === 'string').toBe(true)
      for (const one of Object.values(attributes)) expect(typeof one).toBe('string')
      for (const name of partsMissing) expect(parts[name as keyof typeof parts]).toBeNull()
    }),
    { numRuns: 2_000 },
  )
})

it('finds by a plain path what the library finds', () => {
  const paths = ['$.a', '$.a.b', "$['a']['b']", '$.a[0]', '$.a[1].b', '$.b', '$.a.b[0]']
  // The library also indexes the characters of a string, which is never a part.
  const leaf = fc.oneof(fc.nat(), fc.record({ b: fc.nat() }), fc.array(fc.nat(), { maxLength: 3 }))
  const payloads = fc.record({ a: fc.oneof(leaf, fc.record({ b: leaf }), fc.array(leaf, { maxLength: 3 })) })
  fc.assert(
    fc.property(payloads, fc.constantFrom(...paths), (payload, path) => {
      const [found] = JSONPath({ path, json: payload, eval: false, wrap: true }) as unknown[]
      expect(compilePart(path)(payload)).toEqual(found)
    }),
  )
})

it('ignores inherited properties', () => {
  for (const path of ['$.constructor', '$.toString', '$.__proto__', '$.a.length']) {
    expect(compilePart(path)({ a: [1] })).toBeUndefined()
  }
  expect(compilePart('$.constructor')({ constructor: 'mine' })).toBe('mine')
})

it.each([
  '$.a[?(@.b)]',
  '$.a[(@.length-1)]',
  '$..[?(@.constructor.constructor("return 1")())]',
  'a.b',
  '$.a`x`',
])('refuses %s, which would run code or is no path', (path) => {
  expect(() => compilePart(path)).toThrow(InvalidPartError)
})

it('prefers the next alternative, and then the constant, to an empty text', () => {
  const [mapping] = mappingFile.parse({
    mappings: [
      {
        name: 'empty',
        source: 'empty',
        fields: { channel: ['$.a', { jmespath: 'b' }, '$.c'], queue: '$.a', skill: '$.a' },
        constants: { queue: 'none' },
      },
    ],
  }).mappings
  const one = new Mapper([mapping!])
  const partsOf = (payload: object) => one.map(one.find('empty', payload)!, payload, false)
  expect(partsOf({ a: '', b: '', c: 'c' }).parts).toMatchObject({ channel: 'c', queue: 'none', skill: '' })
  expect(partsOf({ a: '', b: 0, c: 'c' }).parts.channel).toBe('0')
  expect(partsOf({ a: ' ', b: 'b' }).parts.channel).toBe(' ')
  expect(partsOf({ a: '', b: '', c: '' })).toMatchObject({ parts: { channel: '' }, partsMissing: [] })
  expect(partsOf({})).toMatchObject({
    parts: { channel: null, queue: 'none' },
    partsMissing: ['channel', 'skill'],
  })
})

const oddNames = mappingFile.parse({ mappings: [{ name: 'odd names', source: 'n', fields: {} }] })

it('scans the names of an object once, even if a database cannot hold many of them', () => {
  const one = new Mapper(oddNames.mappings)
  let looks = 0
  const payload = new Proxy(Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`\0${i}`, 1])), {
    ownKeys: (target) => {
      looks += 1
      return Reflect.ownKeys(target)
    },
  })
  const { attributes } = one.map(one.find('n', payload)!, payload, true)
  expect(Object.keys(attributes)).toHaveLength(200)
  expect(looks).toBe(1)
})

it('gives attributes distinct names, also as a database stores them', () => {
  const one = new Mapper(oddNames.mappings)
  const name = fc.string({ unit: fc.constantFrom('a', '\0', '\ufffd', '\ud800', '[', '"'), maxLength: 3 })
  fc.assert(
    fc.property(fc.uniqueArray(name, { maxLength: 20 }), (names) => {
      const payload = Object.fromEntries(names.map((each) => [each, 1]))
      const { attributes } = one.map(one.find('n', payload)!, payload, true)
      expect(new Set(Object.keys(attributes).map(storedText)).size).toBe(names.length)
    }),
  )
})
