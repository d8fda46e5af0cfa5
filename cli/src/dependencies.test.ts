import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '@weir/local-stack'
import { readDocument } from '@weir/testkit'
import { expect, it } from 'vitest'
import { settingNames } from './settings-reference.ts'

const [, section = ''] =
  /## When another server is hostile[^\n]*\n(.*?)\n## /s.exec(readDocument('docs/security.md')) ?? []
const spans = (text = '') => [...text.matchAll(/`([^`]+)`/g)].map(([, span]) => span!)
const rows = section
  .split('\n')
  .filter((line) => line.startsWith('| ') && line.includes('`'))
  .map((line) => line.split('|'))
  .map((cells) => ({ settings: spans(cells[2]), asked: spans(cells[3]), tests: spans(cells[6]) }))
const excepted = spans(/\nThese calls serve only the person who runs a command.*/.exec(section)?.[0])
const textOf = (file: string) => readFileSync(join(ROOT, file), 'utf8')

it('every setting that names a server has a row', () => {
  const named = new Set([...rows.flatMap(({ settings }) => settings), ...excepted])
  const servers = [...settingNames()].filter((name) => /_(?:URL|BROKERS)$/.test(name))
  expect(servers.length).toBeGreaterThan(6)
  expect(servers.filter((name) => !named.has(name))).toEqual([])
})

/** What opens a connection to another server. */
const OPENS =
  /(?:await|return|=>?) fetch\(|globalThis\.fetch|new pg\.(?:Client|Pool)\(|\bnet\.connect\(|\b(?:https?|tls)\.(?:request|connect|get)\(|network\/socketFactory|from 'undici'|new InfluxDB\(/
const HELPERS = new Set([
  // Bounded in themselves; whoever uses them is told by `askHttp` and `connectionTo`.
  'packages/runtime/src/http/ask-http.ts',
])

it('every module that opens a connection is in a row, bounded or excepted', () => {
  const modules = globSync('{cli,{packages,services,verification}/*}/src/**/*.ts', { cwd: ROOT }).filter(
    (file) => !/\.test\.ts$|\/testing\/|^verification\/oracle\/|\/simulation\//.test(file),
  )
  const opening = modules.filter((file) => OPENS.test(textOf(file)) || /\baskHttp\(/.test(textOf(file)))
  const known = new Set([...rows.flatMap(({ asked }) => asked), ...excepted, ...HELPERS])
  const unknown = opening.filter((file) => !known.has(file) && !textOf(file).includes('...connectionTo('))
  expect(unknown).toEqual([])
  expect(rows.flatMap(({ asked }) => asked).filter((file) => !modules.includes(file))).toEqual([])
})

it('every row names a test that sets all hostile servers on it', () => {
  for (const { tests } of rows) {
    expect(tests).toHaveLength(1)
    expect(textOf(tests[0]!)).toContain('HOSTILE_WAYS')
  }
})
