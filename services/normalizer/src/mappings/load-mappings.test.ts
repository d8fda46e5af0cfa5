import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { loadMappings } from './load-mappings.ts'
import { checkMappings, tryMapping } from './try-mappings.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-mappings-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const write = (name: string, content: string): string => {
  writeFileSync(join(folder, name), content)
  return join(folder, name)
}

const OWN = `
sources:
  nice: { unknownFields: ignore, schemaVersions: [1, '2'] }
mappings:
  - name: own fax
    source: cxone
    when: { path: $.data.channelType, oneOf: [fax] }
    fields:
      channel: $.data.channelType
      queue: [$.data.queueName, { jmespath: "join(' / ', data.path)" }]
      message: $.data.note
tests:
  - name: the path is joined
    source: cxone
    input: { data: { channelType: fax, path: [a, b] } }
    expected: { queue: a / b, message: null, partsMissing: [message] }
`

it('passes the tests of the built-in mappings', () => {
  const results = checkMappings(loadMappings([]))
  expect(results.filter(({ problems }) => problems.length > 0)).toEqual([])
  expect(results.length).toBeGreaterThan(8)
})

it('tries mappings of files and folders first, and runs their tests', () => {
  write('one.yaml', OWN)
  write('ignored.txt', 'no mapping')
  const set = loadMappings([folder])
  expect(checkMappings(set)).toEqual([
    { file: join(folder, 'one.yaml'), name: 'the path is joined', problems: [] },
  ])
  expect(set.rules.nice).toEqual({ unknownFields: 'ignore', schemaVersions: ['1', '2'] })
  const trial = tryMapping(set, 'cxone', Buffer.from('{"data":{"channelType":"fax","path":["a"]}}'))
  expect(trial).toMatchObject({
    mapping: 'own fax',
    matched: { channel: '$.data.channelType', queue: "jmespath join(' / ', data.path)" },
  })
  expect(trial.matched.message).toBeUndefined()
})

it('reports what a failing test expected', () => {
  const file = write('one.yaml', OWN.replace('queue: a / b', 'queue: wrong'))
  expect(checkMappings(loadMappings([file]))[0]?.problems).toEqual(['queue: expected "wrong", got "a / b"'])
})

it('replaces a built-in mapping of the same name', () => {
  const file = write(
    'one.json',
    '{"mappings":[{"name":"cognigy intent","source":"cognigy","fields":{"intent":"$.goal"}}]}',
  )
  const { mappings } = loadMappings([file])
  expect(mappings.filter(({ source }) => source === 'cognigy').map(({ fields }) => fields.intent)).toEqual([
    ['$.goal'],
  ])
})

it.each([
  ['no such file', 'missing.yaml', undefined, /cannot read .*missing.yaml \(ENOENT\)/],
  ['no YAML', 'a.yaml', '{', /a.yaml: /],
  [
    'a field that is none',
    'a.yaml',
    'mappings: [{name: a, source: b, fields: {nope: $.a}}]',
    /mappings.0.fields/,
  ],
  ['a key that is none', 'a.yaml', 'mapping: []', /mapping/],
  [
    'a name twice',
    'a.yaml',
    'mappings: [{name: a, source: b, fields: {}}, {name: a, source: b, fields: {}}]',
    /two mappings have the name "a"/,
  ],
])('refuses %s', (_, name, content, message) => {
  const file = content === undefined ? join(folder, name) : write(name, content)
  expect(() => loadMappings([file])).toThrow(message)
})
