import { readFileSync } from 'node:fs'
import type { ReadText } from '../access/source-settings.ts'
import { SOURCES } from '../presets/index.ts'
import type { SourceDefinition } from '../source.ts'
import { describeProblems, parseSourcesFile } from './parse-sources-file.ts'

export interface ReadSources {
  /** Empty when there are problems. */
  readonly sources: readonly SourceDefinition[]
  /** Why the file cannot be used, for a person. */
  readonly problems: readonly string[]
}

const readUtf8: ReadText = (file) => readFileSync(file, 'utf8')

/** The sources that a file names, or without one (undefined or empty) those that need none. Never throws. */
export const readSourcesFile = (file: string | undefined, readText = readUtf8): ReadSources => {
  if (file === undefined || file === '') return { sources: SOURCES, problems: [] }
  let text: string
  try {
    text = readText(file)
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException
    return { sources: [], problems: [`The sources file ${file} (SOURCES_FILE) cannot be read: ${code}.`] }
  }
  const { sources, problems } = parseSourcesFile(text)
  return { sources, problems: problems.length === 0 ? [] : [describeProblems(file, problems)] }
}
