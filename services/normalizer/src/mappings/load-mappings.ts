import { readdirSync, readFileSync, statSync } from 'node:fs'
import { extname, join } from 'node:path'
import { ConfigError } from '@weir/runtime'
import { parse } from 'yaml'
import { mappingFile, type Mapping, type MappingFile, type MappingTest, type SourceRules } from './mapping.ts'

/** Mappings, rules and tests of all files. The first mapping that fits a payload applies. */
export interface MappingSet {
  readonly mappings: readonly Mapping[]
  readonly rules: Readonly<Record<string, SourceRules>>
  readonly tests: readonly (MappingTest & { readonly file: string })[]
}

const DEFAULTS = new URL('./defaults/', import.meta.url).pathname
const EXTENSIONS = new Set(['.yaml', '.yml', '.json'])
const FILE_BYTES_MAX = 1_048_576
/** Limit of YAML aliases, which can make a small file huge. */
const ALIASES_MAX = 100

const filesOf = (path: string): string[] => {
  try {
    if (!statSync(path).isDirectory()) return [path]
    return readdirSync(path)
      .filter((name) => EXTENSIONS.has(extname(name)))
      .sort()
      .map((name) => join(path, name))
  } catch (error) {
    throw new ConfigError(`mappings: cannot read ${path} (${(error as NodeJS.ErrnoException).code})`)
  }
}

const readMappingFile = (file: string): MappingFile => {
  if (statSync(file).size > FILE_BYTES_MAX) {
    throw new ConfigError(`mappings: ${file} has more than ${FILE_BYTES_MAX} bytes`)
  }
  let content: unknown
  try {
    content = parse(readFileSync(file, 'utf8'), { maxAliasCount: ALIASES_MAX })
  } catch (error) {
    throw new ConfigError(`mappings: ${file}: ${(error as Error).message}`)
  }
  const result = mappingFile.safeParse(content ?? {})
  if (result.success) return result.data
  const issues = result.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
  throw new ConfigError(`mappings: ${file}: ${issues.join('; ')}`)
}

/**
 * Reads the mappings of files and folders (YAML or JSON) and the built-in ones. A mapping replaces a built-in mapping
 * of the same name; otherwise it is tried before them. Throws a `ConfigError` that names the file and the place in it.
 */
export const loadMappings = (paths: readonly string[]): MappingSet => {
  const own = paths.flatMap(filesOf).map((file) => ({ file, ...readMappingFile(file) }))
  const builtIn = filesOf(DEFAULTS).map((file) => ({ file, ...readMappingFile(file) }))
  const names = new Set<string>()
  const ownMappings = own.flatMap(({ mappings }) => mappings)
  for (const { name } of ownMappings) {
    if (names.has(name))
      throw new ConfigError(`mappings: two mappings have the name ${JSON.stringify(name)}: rename one`)
    names.add(name)
  }
  const rules: Record<string, SourceRules> = {}
  for (const { sources } of [...builtIn, ...own]) {
    for (const [source, rule] of Object.entries(sources)) rules[source] = { ...rules[source], ...rule }
  }
  return {
    mappings: [
      ...ownMappings,
      ...builtIn.flatMap(({ mappings }) => mappings).filter(({ name }) => !names.has(name)),
    ],
    rules,
    // The operator's mappings may change the results of the built-in tests.
    tests: (own.length > 0 ? own : builtIn).flatMap(({ file, tests }) =>
      tests.map((test) => ({ ...test, file })),
    ),
  }
}
