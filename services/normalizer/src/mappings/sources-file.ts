import { ConfigError } from '@weir/runtime'
import { readSourcesFile, type SourceDefinition } from '@weir/sources'
import { loadMappings, type MappingSet } from './load-mappings.ts'
import type { Mapping, SourceRules } from './mapping.ts'

/**
 * Adds the sources of a sources file to the mappings. Such a source is mapped like its preset; if the preset has no
 * mapping, every top-level field becomes an attribute. The rules of a mapping file take precedence.
 */
const withSourcesFile = (set: MappingSet, sources: readonly SourceDefinition[]): MappingSet => {
  const rules: Record<string, SourceRules> = { ...set.rules }
  const mappings = [...set.mappings]
  for (const { name, preset, body, unknownFields } of sources) {
    // Ingress has already rejected the unknown fields of sources that reject them.
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
  optional: [],
  constants: {},
  attributesFrom: ['$'],
  known: [],
})

/** Mappings of files and folders, of the sources in a sources file, and the built-in ones. Throws a `ConfigError`. */
export const readMappings = (paths: readonly string[], sourcesFile: string | undefined): MappingSet => {
  const mappings = loadMappings(paths)
  if (sourcesFile === undefined) return mappings
  const { sources, problems } = readSourcesFile(sourcesFile)
  if (problems.length > 0) throw new ConfigError(problems.join('\n'))
  return withSourcesFile(mappings, sources)
}
