import { readText } from '../access/source-settings.ts'
import { SOURCES } from '../presets/index.ts'
import type { SourceDefinition } from '../source.ts'
import { describeProblems, parseSourcesFile } from './parse-sources-file.ts'

export interface ReadSources {
  /** The sources of the file and the built-in ones that it keeps. Empty if there are problems. */
  readonly sources: readonly SourceDefinition[]
  /** The names of the sources in the file. */
  readonly named: ReadonlySet<string>
  /** Why the file cannot be used, with one line per problem. */
  readonly problems: readonly string[]
}

const NONE: ReadonlySet<string> = new Set()

/**
 * The sources of a file and the built-in ones that it keeps. Without a file (undefined or empty), the built-in ones.
 * Never throws.
 */
export const readSourcesFile = (file: string | undefined, read = readText): ReadSources => {
  if (file === undefined || file === '') return { sources: SOURCES, named: NONE, problems: [] }
  let text: string
  try {
    text = read(file)
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException
    const problem = `The sources file ${file} (SOURCES_FILE) cannot be read: ${code}.`
    return { sources: [], named: NONE, problems: [problem] }
  }
  const { sources, keepsBuiltIn, problems } = parseSourcesFile(text)
  if (problems.length > 0) return { sources: [], named: NONE, problems: describeProblems(file, problems) }
  const named = new Set(sources.map(({ name }) => name))
  return { sources: keepsBuiltIn ? [...sources, ...builtInBeside(sources)] : sources, named, problems: [] }
}

/** The built-in sources that the file does not name, without the paths that it gives to other sources. */
const builtInBeside = (sources: readonly SourceDefinition[]): readonly SourceDefinition[] => {
  const names = new Set(sources.map(({ name }) => name))
  const taken = new Set(sources.flatMap(({ paths }) => paths))
  return SOURCES.filter(({ name }) => !names.has(name))
    .map((source) => ({ ...source, paths: source.paths.filter((path) => !taken.has(path)) }))
    .filter(({ paths }) => paths.length > 0)
}
