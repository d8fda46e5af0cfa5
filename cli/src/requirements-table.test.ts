import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '@weir/local-stack'
import { expect, it } from 'vitest'

interface Box {
  readonly id: string
  readonly cells: readonly string[]
  /** Paths of test files, from the root. */
  readonly files: readonly string[]
  readonly reason: string | undefined
}

/** Rows of the tables: `| S0-01 | asks for | here | tests |`. */
const boxesOf = (text: string): readonly Box[] =>
  text
    .split('\n')
    .map((line) => /^\| (S\d-\d\d) +\|(.*)\|$/.exec(line))
    .filter((match) => match !== null)
    .map(([, id = '', rest = '']) => {
      const cells = rest.split(/(?<!\\)\|/).map((cell) => cell.trim())
      const tests = cells.at(-1)!
      return {
        id,
        cells,
        files: [...tests.matchAll(/`([^`]+\.test\.ts)`/g)].map(([, path = '']) => path),
        reason: /^none: (.+)$/.exec(tests)?.[1],
      }
    })

/** Numbers with which names of tests begin, one or several, a space behind each. */
const namedIn = (path: string): ReadonlySet<string> => {
  const names = readFileSync(join(ROOT, path), 'utf8').matchAll(/['"`]((?:S\d-\d\d )+)/g)
  return new Set([...names].flatMap(([, numbers = '']) => numbers.trim().split(' ')))
}

const boxes = boxesOf(readFileSync(join(ROOT, 'docs/requirements.md'), 'utf8'))

it('has a row for each box of the five systems, numbered without a gap', () => {
  for (const system of ['S0', 'S1', 'S2', 'S3', 'S4']) {
    const ids = boxes.filter(({ id }) => id.startsWith(system)).map(({ id }) => id)
    const wanted = ids.map((_, i) => `${system}-${String(i + 1).padStart(2, '0')}`)
    expect(ids).toEqual(wanted)
    expect(ids.length).toBeGreaterThan(5)
  }
  expect(boxes.filter(({ cells }) => cells.length !== 3 || cells.includes(''))).toEqual([])
})

it.each(boxes.map((box) => [box.id, box] as const))('%s has tests of its name, or a reason', (id, box) => {
  if (box.files.length === 0) expect(box.reason?.length ?? 0).toBeGreaterThan(20)
  for (const path of box.files) {
    expect([path, existsSync(join(ROOT, path))]).toEqual([path, true])
    expect([path, [...namedIn(path)]]).toEqual([path, expect.arrayContaining([id])])
  }
})

it('lists every test that is named after a box', () => {
  const listed = new Set(boxes.flatMap(({ id, files }) => files.map((file) => `${id} ${file}`)))
  const found = globSync('{cli,packages,services,tests,tools,verification}/**/*.test.ts', {
    cwd: ROOT,
    exclude: ['**/node_modules'],
  }).flatMap((file) => [...namedIn(file)].map((id) => `${id} ${file}`))
  expect(found.filter((one) => !listed.has(one))).toEqual([])
})
