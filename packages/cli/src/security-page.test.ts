import { readFileSync } from 'node:fs'
import { RISKS } from '@weir/service-kit'
import { expect, it } from 'vitest'

const page = readFileSync(new URL('../../../docs/operations/security.md', import.meta.url), 'utf8')

/** Rows of the page's tables, cells without the blanks of the formatter. */
const rows = page
  .split('\n')
  .filter((line) => line.startsWith('|'))
  .map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )

it('docs/operations/security.md lists each risk as the services refuse it, and no other', () => {
  const listed = rows.filter(([name]) => name!.startsWith('`ALLOW_'))
  expect(listed).toEqual(
    Object.entries(RISKS).map(([name, { refused, danger, fix }]) => [`\`${name}\``, refused, danger, fix]),
  )
})
