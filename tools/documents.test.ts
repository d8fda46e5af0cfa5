import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '..')
const FOLDERS =
  '{packages,services,verification}/*,cli,bench,tests/{compose,e2e,faults,security,values},tools/{local-stack,testkit}'
const TOP_LEVEL = /^(?:bench|cli|deploy|docs|examples|packages|services|tests|tools|verification)\//

const find = (pattern: string): readonly string[] => globSync(pattern, { cwd: ROOT }).sort()
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8')

const guides = find('docs/guides/*.md')
/** Not the reports: they describe the tree as it was on their day. */
const documents = find('{*,docs/*,docs/{decisions,guides,operations,sources}/*}.md')
const sources = globSync(
  '{bench,cli,deploy,docs,packages,services,tests,tools,verification}/**/*.{java,mjs,md,sql,ts,yaml}',
  { cwd: ROOT, exclude: (name) => name.includes('node_modules') },
)
const packages = find(`{${FOLDERS}}/package.json`).map(dirname)

/**
 * Links and paths in backticks, relative to the repository. A placeholder, such as `<name>`, ends the part that must
 * exist.
 */
const pathsOf = (file: string): readonly string[] => {
  const text = read(file)
  const links = [...text.matchAll(/\]\((?!\w+:|#)([^)#\s]+)/g)].map(([, to = '']) => join(dirname(file), to))
  const quoted = [...text.matchAll(/`([\w.@/<>*{}-]+)`/g)]
    .map(([, path = '']) => path)
    .filter((path) => TOP_LEVEL.test(path))
    .map((path) => path.replace(/[^/]*[<>*{}].*$/, ''))
  return [...new Set([...links, ...quoted])]
}

/** Names of files in backticks that are not whole paths, such as `start.ts`: the end of the path of some file. */
const fileNamesOf = (file: string): readonly string[] =>
  [...read(file).matchAll(/`([\w.@/-]+\.(?:java|mjs|md|sql|ts|yaml))`/g)].map(([, name]) => name!)

describe('every document', () => {
  it.each(documents)('%s names only files and folders that exist', (file) => {
    expect(pathsOf(file).filter((path) => !existsSync(join(ROOT, path)))).toEqual([])
    const exists = (name: string): boolean =>
      existsSync(join(ROOT, name)) || sources.some((path) => path.endsWith(`/${name}`))
    expect(fileNamesOf(file).filter((name) => !exists(name))).toEqual([])
  })
})

describe('ARCHITECTURE.md', () => {
  it('names only symbols, topics and services that the code has, outside comments', () => {
    const code = sources
      .filter((file) => /^(?:cli|packages|services|verification)\/.*(?<!\.test)\.ts$/.test(file))
      .map((file) => read(file).replaceAll(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, ''))
      .join('\n')
    const names = [...read('ARCHITECTURE.md').matchAll(/`([\w.-]+(?:\(\))?)`/g)]
      .map(([, name]) => name!)
      .filter((name) => !/\.(?:mjs|ts)$/.test(name) && !existsSync(join(ROOT, name)))
    // Of a call such as `kafka.admin()`, the function: the code may call its object something else.
    const isInCode = (name: string): boolean => {
      const word = name.endsWith('()') ? name.slice(0, -2).split('.').at(-1)! : name
      return new RegExp(`(?<![\\w-])${word.replaceAll('.', '\\.')}(?![\\w-])`).test(code)
    }
    expect(names.length).toBeGreaterThan(30)
    expect(names.filter((name) => !isInCode(name))).toEqual([])
  })
})

describe('the guides', () => {
  it('are all in their index', () => {
    const index = pathsOf('docs/guides/README.md')
    expect(guides.filter((file) => !file.endsWith('README.md') && !index.includes(file))).toEqual([])
  })
})

describe('the README of each package and service', () => {
  it.each(packages)('%s says what it is, what it must not do and how to test it', (folder) => {
    const text = read(`${folder}/README.md`)
    expect(text).toMatch(/^# [a-z0-9-]+\n\n[A-Z]/)
    expect(text).toMatch(/^\*\*Invariants\*\*\n\n- /m)
    expect(text).toMatch(/^\*\*It must not\*\*\n\n- /m)
    expect(text).toMatch(/^\*\*Tests\.\*\* `npm /m)
    expect(text.split('\n').length, 'lines, for one screen').toBeLessThan(60)
  })

  it.each(packages.filter((folder) => !/^(?:tests|bench|services)/.test(folder)))(
    '%s names only what the package exports',
    (folder) => {
      const [, names = ''] = /^\*\*Public names\.\*\* (.*)$/m.exec(read(`${folder}/README.md`)) ?? []
      const words = [...names.matchAll(/`(\w+)`/g)].map(([, name]) => name!)
      const source = find(`${folder}/src/**/*.ts`)
        .filter((file) => !file.endsWith('.test.ts'))
        .map(read)
        .join('\n')
      const isExported = (name: string): boolean =>
        new RegExp(`export (?:async )?(?:abstract )?(?:const|function|class|interface|type) ${name}\\b`).test(
          source,
        )
      expect(words.length).toBeGreaterThan(0)
      expect(words.filter((name) => !isExported(name))).toEqual([])
    },
  )
})
