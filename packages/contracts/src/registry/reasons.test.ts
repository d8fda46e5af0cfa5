import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { DEAD_LETTER_REASONS } from '../index.ts'

test('docs/operations/failures.md says what to do for each reason, and has no other reason', () => {
  const page = readFileSync(new URL('../../../../docs/operations/failures.md', import.meta.url), 'utf8')
  const section = /\n## Dead letters\n([^]*?)\n## /.exec(page)![1]!
  const rows = section.match(/^\| `\w+`/gm)!.map((row) => row.slice(3, -1))
  expect(rows.toSorted()).toEqual(Object.keys(DEAD_LETTER_REASONS).toSorted())
})

test('docs/guides/add-a-dead-letter-reason.md names the two lists that hold every reason', () => {
  const read = (path: string): string => readFileSync(new URL(`../../../../${path}`, import.meta.url), 'utf8')
  const guide = read('docs/guides/add-a-dead-letter-reason.md')
  for (const file of ['packages/contracts/src/registry/reasons.ts', 'docs/operations/failures.md']) {
    expect(guide).toMatch(new RegExp(`^\\d\\. \`${file}\``, 'm'))
    for (const reason of Object.keys(DEAD_LETTER_REASONS)) expect(read(file)).toContain(reason)
  }
})
