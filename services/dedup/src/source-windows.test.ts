import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger, Metrics } from '@weir/runtime'
import { afterAll, expect, it } from 'vitest'
import { loadConfig } from './config.ts'
import { checkSourceWindows } from './source-windows.ts'
import { start } from './start.ts'

const folder = mkdtempSync(join(tmpdir(), 'weir-windows-'))
const sourcesFile = join(folder, 'sources.yaml')
afterAll(() => rmSync(folder, { recursive: true }))

const check = (sources: string, windowSecs: number) => {
  writeFileSync(sourcesFile, `version: 1\nsources:\n${sources}`)
  return checkSourceWindows({ sourcesFile, windowSecs })
}
const NOTHING = { problems: [], warnings: [] }

it('refuses a window that is shorter than a source needs, with both values', () => {
  const sources =
    '  a: { preset: github, dedupWindowSecs: 7200 }\n  b: { preset: github, dedupWindowSecs: 60 }\n'
  expect(check(sources, 7_199).problems).toEqual([
    expect.stringMatching(/^DEDUP_WINDOW_SECS is 7199, and source a has dedupWindowSecs 7200: .*Raise/),
  ])
  expect(check(sources, 7_200)).toEqual(NOTHING)
  expect(check(sources, 59).problems).toHaveLength(2)
})

it('warns of a provider that repeats for longer, unless the file says otherwise', () => {
  expect(check('  pay: { preset: stripe }\n', 86_400).warnings).toEqual([
    expect.stringMatching(/source pay may repeat an event for 259200 s/),
  ])
  expect(check('  pay: { preset: stripe, dedupWindowSecs: 86400 }\n', 86_400)).toEqual(NOTHING)
})

it('needs no file, and reports an unusable one', () => {
  expect(checkSourceWindows({ sourcesFile: undefined, windowSecs: 60 })).toEqual(NOTHING)
  expect(check('  a: { preset: none }\n', 60).problems).toHaveLength(1)
  expect(checkSourceWindows({ sourcesFile: '/no/file', windowSecs: 60 }).problems.join()).toMatch(/ENOENT/)
})

it('dedup does not start', async () => {
  check('  a: { preset: github, dedupWindowSecs: 100000 }\n', 60)
  const config = loadConfig({
    KAFKA_BROKERS: '127.0.0.1:1',
    SOURCES_FILE: sourcesFile,
    DEDUP_PROBE_PORT: '0',
  })
  const started = start(config, { logger: createLogger('dedup', 'silent'), metrics: new Metrics('dedup') })
  await expect(started).rejects.toThrow(/dedupWindowSecs 100000/)
})
