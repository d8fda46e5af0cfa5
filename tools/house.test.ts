import { globSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '..')
const FILES_MAX = 15

it(`no folder has more than ${FILES_MAX} source files, tests apart`, () => {
  const counts = new Map<string, number>()
  for (const file of globSync('{bench,cli,deploy,packages,services,tests,tools,verification}/**/*.{ts,mjs}', {
    cwd: ROOT,
    exclude: (name) => name.includes('node_modules'),
  })) {
    if (file.endsWith('.test.ts')) continue
    counts.set(dirname(file), (counts.get(dirname(file)) ?? 0) + 1)
  }
  expect(counts.size).toBeGreaterThan(50)
  expect([...counts].filter(([, count]) => count > FILES_MAX)).toEqual([])
})
