import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { fillTemplate, parseTemplate } from '../key-template.ts'
import type { JsonValue, RequestFacts, SourceDefinition } from '../source.ts'
import { describeSourcesFile } from './describe-sources-file.ts'
import { parseSourcesFile } from './parse-sources-file.ts'

/** The page about the sources file says what the code does. */
const PAGE = readFileSync(new URL('../../../../docs/sources/sources-file.md', import.meta.url), 'utf8')

/** Tables are padded on the page. */
const cells = (line: string): readonly string[] =>
  line
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => cell.trim().replaceAll('\\|', '|'))

const rows = (text: string): readonly (readonly string[])[] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('|') && !line.startsWith('| -'))
    .map(cells)

const section = (title: string): string => PAGE.split(/^## /m).find((text) => text.startsWith(title)) ?? ''
const block = (text: string, language: string): string =>
  new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(text)?.[1] ?? ''

it('has every setting: `npm run -s weir -- sources settings` prints the table', () => {
  expect(rows(PAGE.split(/^## /m)[0]!)).toEqual(rows(describeSourcesFile()))
})

const textIn = (cell: string): string => /^`(.*)`$/.exec(cell)?.[1] ?? ''

const [, ...templates] = rows(section('Templates'))
it.each(templates.map(([template = '', , result = '']) => [textIn(template), textIn(result)]))(
  'fills %s with %j, as its table says',
  (template, result) => {
    const facts: RequestFacts = {
      bodyHash: () => 'HASH',
      header: (name) => (name === 'x-kind' ? 'order' : undefined),
      around: ([name]) => (name === 'region' ? 'eu' : undefined),
    }
    const payload = JSON.parse(block(section('Templates'), 'json')) as JsonValue
    expect(fillTemplate(parseTemplate(template), payload, facts)).toBe(result === '' ? undefined : result)
  },
)

it('has a table of templates', () => {
  expect(templates.length).toBeGreaterThan(10)
})

const sourceOf = (text: string): SourceDefinition => {
  const { sources, problems } = parseSourcesFile(text)
  expect(problems).toEqual([])
  return sources[0]!
}

it('spells out the defaults of `custom`', () => {
  const spelt = sourceOf(block(section('Defaults'), 'yaml'))
  const plain = sourceOf('version: 1\nsources: { orders: { preset: custom } }')
  const rest = ({ identify: _, keyTexts: __, ...others }: SourceDefinition) => others
  expect(rest(spelt)).toEqual(rest(plain))
  const value = fc.oneof(fc.string(), fc.constant(null), fc.boolean())
  const body = fc.record({ id: value, type: value, other: value }, { requiredKeys: [] })
  const facts: RequestFacts = { bodyHash: () => 'HASH', header: () => undefined }
  fc.assert(
    fc.property(body, (payload) => {
      expect(spelt.identify(payload, facts)).toEqual(plain.identify(payload, facts))
    }),
  )
})
