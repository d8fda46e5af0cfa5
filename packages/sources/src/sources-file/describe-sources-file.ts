import { z } from 'zod'
import { sourcesFileSchema } from './schema.ts'

/** The part of JSON Schema that is used. */
interface Schema {
  readonly type?: string
  readonly description?: string
  readonly enum?: readonly string[]
  readonly anyOf?: readonly Schema[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: Schema | boolean
  readonly items?: Schema
  readonly required?: readonly string[]
}

/** JSON Schema of the sources file, for editors. */
export const sourcesFileJsonSchema = (): Record<string, unknown> =>
  z.toJSONSchema(sourcesFileSchema, { io: 'input', unrepresentable: 'any' })

/** Every setting of a source in the sources file, as a Markdown table that is generated from the schema. */
export const describeSourcesFile = (): string => {
  const root = sourcesFileJsonSchema() as Schema
  const source = root.properties!.sources!.additionalProperties as Schema
  return ['| setting | what it takes | meaning |', '| --- | --- | --- |', ...rowsOf(source, ''), ''].join(
    '\n',
  )
}

const rowsOf = (schema: Schema, prefix: string): string[] =>
  Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    const needed = schema.required?.includes(name) ? ' (must be set)' : ''
    // The page of sources lists the presets, so that a new one changes a single table.
    const taken = prefix + name === 'preset' ? 'a [preset](README.md#presets)' : takes(property)
    const row = `| \`${prefix}${name}\`${needed} | ${taken} | ${escaped(property.description ?? '')} |`
    return [row, ...rowsOf(property, `${prefix}${name}.`)]
  })

const takes = (schema: Schema): string => {
  if (schema.enum) return schema.enum.map((value) => `\`${value}\``).join(' ')
  if (schema.anyOf) return schema.anyOf.map(takes).join('; or ')
  if (typeof schema.additionalProperties === 'object') return 'map of names to texts'
  if (schema.items) return 'list of texts'
  if (schema.properties) return `\`{${Object.keys(schema.properties).join(', ')}}\``
  return { string: 'text', number: 'number', boolean: '`true` `false`' }[schema.type ?? ''] ?? 'text'
}

const escaped = (text: string): string => text.replaceAll('|', '\\|')
