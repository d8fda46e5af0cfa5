import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { describeMappedFields } from './mapping.ts'

const PAGE = fileURLToPath(new URL('../../../../docs/operations/mappings.md', import.meta.url))

/** `npm test -- -u` writes the table into the page. */
it('the page of mappings has the table of the mapped fields', async () => {
  const page = readFileSync(PAGE, 'utf8')
  const table = /(?<=\n\n)\| field [^]*?\n(?=\n)/
  expect(page).toMatch(table)
  await expect(page.replace(table, () => describeMappedFields())).toMatchFileSnapshot(PAGE)
})
