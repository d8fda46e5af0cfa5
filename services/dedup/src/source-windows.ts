import { readSourcesFile } from '@weir/sources'
import type { DedupConfig } from './config.ts'

export interface SourceWindows {
  /** Errors: sources that need a longer window than dedup has, or an unusable file. */
  readonly problems: readonly string[]
  /** Warnings: providers that document longer retries. Only the primary key of the row stops such a repeat. */
  readonly warnings: readonly string[]
}

/** Compares the window with the needs of the sources in SOURCES_FILE. */
export const checkSourceWindows = ({
  sourcesFile,
  windowSecs,
}: Pick<DedupConfig, 'sourcesFile' | 'windowSecs'>): SourceWindows => {
  const { sources, named, problems } = readSourcesFile(sourcesFile)
  if (problems.length > 0) return { problems, warnings: [] }
  const inFile = sources.filter(({ name }) => named.has(name))
  return {
    problems: inFile
      .filter(({ windowSecsMin = 0 }) => windowSecsMin > windowSecs)
      .map(
        ({ name, windowSecsMin }) =>
          `DEDUP_WINDOW_SECS is ${windowSecs}, and source ${name} has dedupWindowSecs ${windowSecsMin}: ` +
          'its last repeats would count as new events. Raise DEDUP_WINDOW_SECS or lower dedupWindowSecs.',
      ),
    warnings: inFile
      .filter(
        ({ windowSecsMin, retrySpanSecs = 0 }) => windowSecsMin === undefined && retrySpanSecs > windowSecs,
      )
      .map(
        ({ name, retrySpanSecs }) =>
          `The provider of source ${name} may repeat an event for ${retrySpanSecs} s, and DEDUP_WINDOW_SECS is ` +
          `${windowSecs}: only the primary key of the row stops later repeats.`,
      ),
  }
}
