import { isMap, isScalar, LineCounter, parseDocument, type Document, type Node } from 'yaml'
import type { SourceDefinition } from '../source.ts'
import { buildSource } from './build-source.ts'
import { sourcesFileSchema } from './schema.ts'

/** One problem of a sources file. */
export interface FileProblem {
  /** Both start at 1. */
  readonly line: number
  readonly column: number
  /** Dotted, such as `sources.nice.rate`. Empty for the file as a whole. */
  readonly path: string
  readonly message: string
}

export interface ParsedSourcesFile {
  /** Empty if there are no problems. */
  readonly sources: readonly SourceDefinition[]
  /** Tells whether the built-in sources that the file does not name are kept. */
  readonly keepsBuiltIn: boolean
  /** In the order of their lines. */
  readonly problems: readonly FileProblem[]
}

type Path = readonly (string | number)[]

const BYTES_MAX = 1_048_576
const VALUE_LENGTH_MAX = 80
/** A file may use anchors. Up to this many uses of them are accepted. */
const ALIASES_MAX = 100

/** Parses a sources file and reports every problem at once. Never throws. */
export const parseSourcesFile = (text: string): ParsedSourcesFile => {
  if (Buffer.byteLength(text) > BYTES_MAX) {
    return refused([{ line: 1, column: 1, path: '', message: `is larger than ${BYTES_MAX} bytes` }])
  }
  const lineCounter = new LineCounter()
  const document = parseDocument(text, { lineCounter, prettyErrors: false, uniqueKeys: true })
  const at = (offset: number) => {
    const { line, col } = lineCounter.linePos(offset)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }
  const syntax = document.errors.map(({ pos, message }) => ({ ...at(pos[0]), path: '', message }))
  if (syntax.length > 0) return refused(syntax)
  const problem = (path: Path, message: string, isUnknownKey = false): FileProblem => ({
    ...at(offsetOf(document, path, isUnknownKey)),
    path: path.join('.'),
    message: `${shown(document, path, isUnknownKey)}${message}`,
  })
  let value: unknown
  try {
    value = document.toJS({ maxAliasCount: ALIASES_MAX })
  } catch (error) {
    return refused([{ line: 1, column: 1, path: '', message: (error as Error).message }])
  }
  const result = sourcesFileSchema.safeParse(value)
  if (!result.success) return refused(result.error.issues.flatMap((issue) => issueProblems(issue, problem)))
  const entries = Object.entries(result.data.sources)
  const given = new Set(entries.flatMap(([, { paths = [] }]) => paths))
  const built = entries.map(([name, entry]) => ({ name, ...buildSource(name, entry, given) }))
  const sources = built.flatMap(({ source }) => source ?? [])
  const problems = [
    ...built.flatMap(({ name, problems: own }) =>
      own.map(({ path, message }) => problem(['sources', name, ...path], message)),
    ),
    ...pathProblems(sources, problem),
  ]
  if (problems.length > 0) return refused(problems)
  return { sources, keepsBuiltIn: result.data.builtIn ?? true, problems }
}

const refused = (problems: readonly FileProblem[]): ParsedSourcesFile => ({
  sources: [],
  keepsBuiltIn: false,
  problems: inOrder(problems),
})

type Describe = (path: Path, message: string, isUnknownKey?: boolean) => FileProblem
type Issue = NonNullable<ReturnType<typeof sourcesFileSchema.safeParse>['error']>['issues'][number]

const issueProblems = (issue: Issue, describe: Describe): FileProblem[] => {
  const path = issue.path as Path
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => describe([...path, key], 'is an unknown setting', true))
  }
  if (issue.code === 'invalid_key') return issue.issues.map(({ message }) => describe(path, message, true))
  return [describe(path, issue.message)]
}

/** Two sources must not share a path. */
const pathProblems = (sources: readonly SourceDefinition[], describe: Describe): FileProblem[] => {
  const owners = new Map<string, string>()
  return sources.flatMap(({ name, paths }) =>
    paths.flatMap((path, index) => {
      const owner = owners.get(path)
      owners.set(path, owner ?? name)
      if (owner === undefined) return []
      return [describe(['sources', name, 'paths', index], `${path} is already a path of ${owner}`)]
    }),
  )
}

const inOrder = (problems: readonly FileProblem[]): FileProblem[] =>
  problems.toSorted((a, b) => a.line - b.line || a.column - b.column)

/** The position in the text: the value at the path, or its nearest parent. */
const offsetOf = (document: Document.Parsed, path: Path, isKey: boolean): number => {
  for (let length = path.length; length > 0; length--) {
    const parent =
      length === 1 ? document.contents : (document.getIn(path.slice(0, length - 1), true) as Node | undefined)
    if (isMap(parent)) {
      const pair = parent.items.find(
        ({ key }) => isScalar(key) && String(key.value) === String(path[length - 1]),
      )
      const key = pair?.key as Node | undefined
      const node = isKey && length === path.length ? key : ((pair?.value as Node | null | undefined) ?? key)
      if (node?.range) return node.range[0]
    } else {
      const node = document.getIn(path.slice(0, length), true) as Node | undefined
      if (node?.range) return node.range[0]
    }
  }
  return 0
}

/** The wrong value if it is short and plain, so that a reader can find it. */
const shown = (document: Document.Parsed, path: Path, isKey: boolean): string => {
  if (isKey) return ''
  const value: unknown = path.length === 0 ? undefined : document.getIn(path)
  if (value === undefined) return ''
  if (typeof value === 'object' && value !== null) return ''
  const text = JSON.stringify(value)
  return text.length > VALUE_LENGTH_MAX ? `${text.slice(0, VALUE_LENGTH_MAX)}... ` : `${text} `
}

/** `file:line:column: path: message`, one per line. */
export const describeProblems = (file: string, problems: readonly FileProblem[]): readonly string[] =>
  problems.map(
    ({ line, column, path, message }) =>
      `${file}:${line}:${column}: ${path === '' ? '' : `${path}: `}${message}`,
  )
