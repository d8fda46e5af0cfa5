import { readFileSync } from 'node:fs'
import { ConfigError } from '@weir/service-kit'
import { describeProblems, parseSourcesFile, type SourceDefinition } from '@weir/sources'
import { loadMappings, type MappingSet } from './load-mappings.ts'
import type { Mapping, SourceRules } from './mapping.ts'

const readSourcesFile = (file: string): readonly SourceDefinition[] => {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new ConfigError(`SOURCES_FILE: cannot read ${file} (${(error as NodeJS.ErrnoException).code})`)
  }
  const { sources, problems } = parseSourcesFile(text)
  if (problems.length > 0) throw new ConfigError(describeProblems(file, problems))
  return sources
}

/**
 * Adds what a sources file says to mappings: a source of its own is mapped like its preset, or, where the preset has no
 * mapping either, every top-level field becomes an attribute. What a mapping file says of a source comes first.
 */
const withSourcesFile = (set: MappingSet, sources: readonly SourceDefinition[]): MappingSet => {
  const rules: Record<string, SourceRules> = { ...set.rules }
  const mappings = [...set.mappings]
  for (const { name, preset, body, unknownFields } of sources) {
    // Ingress knows the known fields, and has sorted out by them what the file rejects.
    const own: SourceRules = { body, ...(unknownFields === 'ignore' && { unknownFields }) }
    rules[name] = { ...own, ...set.rules[name] }
    if (set.mappings.some(({ source }) => source === name)) continue
    const ofPreset = set.mappings.filter(({ source }) => source === preset)
    if (ofPreset.length === 0) mappings.push(asItComes(name))
    else mappings.push(...ofPreset.map((one) => ({ ...one, name: `${name}: ${one.name}`, source: name })))
  }
  return { ...set, rules, mappings }
}

const asItComes = (source: string): Mapping => ({
  name: `${source}: as it comes`,
  source,
  fields: {},
  ...{ optional: [], constants: {}, attributesFrom: ['$'], known: [] },
})

/** Mappings of files and folders, the built-in ones, and those of a sources file's own sources. Throws a `ConfigError`. */
export const readMappings = (paths: readonly string[], sourcesFile: string | undefined): MappingSet =>
  withSourcesFile(loadMappings(paths), sourcesFile === undefined ? [] : readSourcesFile(sourcesFile))
