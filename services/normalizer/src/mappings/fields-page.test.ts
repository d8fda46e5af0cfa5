import { readFileSync } from 'node:fs'
import { INTERACTION_EVENT_SCHEMA } from '@weir/contracts'
import { expect, it } from 'vitest'
import { describeMappedFields, MAPPED_FIELDS } from './mapping.ts'

const read = (path: string): string => readFileSync(new URL(`../../../../${path}`, import.meta.url), 'utf8')
/** Without the padding of the page. */
const plain = (text: string): readonly string[] =>
  text
    .trim()
    .split('\n')
    .map((line) => line.replaceAll(/ +\|/g, ' |').replaceAll(/-+/g, '-'))

it('the page of mappings has every field: `npm run -s weir -- mapping fields` prints the table', () => {
  const table = /\n(\| field [^]*?)\n\n/.exec(read('docs/operations/mappings.md'))?.[1] ?? ''
  expect(plain(table)).toEqual(plain(describeMappedFields()))
})

it('every field is one of the event, and has a column', () => {
  const fields = INTERACTION_EVENT_SCHEMA.fields.map(({ name }) => name)
  const columns = read('services/persistence/src/postgres/migrations/0001-events.sql')
  for (const field of MAPPED_FIELDS) expect(fields).toContain(field)
  const named = [...describeMappedFields().matchAll(/^\| `\w+` \| `(\w+)` /gm)]
  expect(named.length).toBeGreaterThan(5)
  for (const [, column] of named) expect(columns).toContain(`  ${column} text,\n`)
})
