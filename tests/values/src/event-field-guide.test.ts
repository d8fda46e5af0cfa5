import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import avsc from 'avsc'
import { beforeAll, expect, it, vi } from 'vitest'

const ROOT = new URL('../../../', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8')
const GUIDE = read('docs/guides/add-an-event-field.md')
const FIELDS = 'packages/contracts/src/registry/event-fields.ts'

/** The block of a language in the guide. */
const block = (language: string): string => {
  const found = new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(GUIDE)?.[1]
  if (found === undefined) throw new Error(`the guide has no block of ${language}`)
  return found.replaceAll(/^ {3}/gm, '').trim()
}

const NAME = /^\w+/.exec(block('ts'))![0]
const END = '\n} as const satisfies'

/** Loads a module over a copy of the registry that has the guide's field. */
const load = async <T>(path: string): Promise<T> => (await import(new URL(path, ROOT).pathname)) as T

beforeAll(() => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-field-'))
  const scratch = join(folder, 'event-fields.ts')
  const source = read(FIELDS)
  expect(source.split(END)).toHaveLength(2)
  writeFileSync(scratch, source.replace(END, `\n  ${block('ts')}${END}`))
  vi.resetModules()
  vi.doMock(new URL(FIELDS, ROOT).pathname, () => import(scratch))
  return () => {
    rmSync(folder, { recursive: true })
  }
})

it('one entry of the registry reaches the Avro schema, and older records stay readable', async () => {
  const contracts = await load<typeof import('@weir/contracts')>('packages/contracts/src/index.ts')
  const { fields } = contracts.INTERACTION_EVENT_SCHEMA
  expect(fields.at(-1)).toEqual({ name: NAME, type: ['null', 'string'], default: null })
  const older = contracts.avroSchemaOf(contracts.eventFields.slice(0, -1))
  const [writer, reader] = [older, contracts.INTERACTION_EVENT_SCHEMA].map((schema) =>
    avsc.Type.forSchema(schema as avsc.Schema),
  ) as [avsc.Type, avsc.Type]
  expect(() => reader.createResolver(writer)).not.toThrow()
})

it('a mapping can fill the field, and the event has it', async () => {
  type Mapping = typeof import('../../../services/normalizer/src/mappings/mapping.ts')
  type Mappers = typeof import('../../../services/normalizer/src/mappings/mapper.ts')
  const { mappingFile } = await load<Mapping>('services/normalizer/src/mappings/mapping.ts')
  const { Mapper } = await load<Mappers>('services/normalizer/src/mappings/mapper.ts')
  const path = new RegExp(`${NAME}: (\\S+)`).exec(block('yaml'))![1]!
  const { mappings } = mappingFile.parse({
    mappings: [{ name: 'scratch', source: 's', fields: { [NAME]: path }, optional: [NAME] }],
  })
  const mapper = new Mapper(mappings)
  const payload = { wrapUp: { code: 'sold' } }
  const { parts, partsMissing } = mapper.map(mapper.find('s', payload)!, payload, true)
  expect(parts).toMatchObject({ [NAME]: 'sold' })
  expect(partsMissing).toEqual([])
})

it('the statements have the columns of the migration, and the console and the page show the field', async () => {
  type Columns = typeof import('../../../services/persistence/src/postgres/columns.ts')
  type Insert = typeof import('../../../services/persistence/src/postgres/insert.ts')
  type Stored = typeof import('../../../services/console/src/stored-interactions.ts')
  type Mapping = typeof import('../../../services/normalizer/src/mappings/mapping.ts')
  const { COLUMNS } = await load<Columns>('services/persistence/src/postgres/columns.ts')
  const { INSERT } = await load<Insert>('services/persistence/src/postgres/insert.ts')
  const { FIND_INTERACTION } = await load<Stored>('services/console/src/stored-interactions.ts')
  const { describeMappedFields } = await load<Mapping>('services/normalizer/src/mappings/mapping.ts')
  const made = [...block('sql').matchAll(/ALTER TABLE (\w+) ADD COLUMN (\w+) (\w+);/g)]
  expect(made.map(([, table]) => table)).toEqual(['events', 'interactions'])
  for (const [, , column, type] of made) {
    expect(COLUMNS.filter(({ name }) => name === column)).toMatchObject([{ type, isLatest: true }])
    expect(INSERT).toContain(`${column} = excluded.${column}`)
    expect(FIND_INTERACTION).toContain(`i.${column} AS "${NAME}"`)
    expect(describeMappedFields()).toContain(`| \`${NAME}\``)
  }
})
