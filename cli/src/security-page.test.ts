import { readFileSync } from 'node:fs'
import { KAFKA_SERVICES, rightsOf, type Right } from '@weir/contracts'
import { RISKS } from '@weir/runtime'
import { expect, it } from 'vitest'

const page = readFileSync(new URL('../../docs/operations/security.md', import.meta.url), 'utf8')

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

it('docs/operations/security.md lists exactly the risks that the services refuse', () => {
  const listed = rows.filter(([name]) => name!.startsWith('`ALLOW_'))
  expect(listed).toEqual(
    Object.entries(RISKS).map(([name, { refused, danger, fix }]) => [`\`${name}\``, refused, danger, fix]),
  )
})

const cellOf = (
  rights: readonly Right[],
  resource: Right['resource'],
  operation: Right['operations'][number],
) =>
  rights
    .filter((right) => right.resource === resource && right.operations.includes(operation))
    .map(({ name, pattern }) => `\`${name}${pattern === 'prefixed' ? '*' : ''}\``)
    .join(', ')

it('docs/operations/security.md gives each service exactly the rights that it needs', () => {
  const listed = rows.filter(([name, , , , last]) => last !== undefined && name!.startsWith('`'))
  expect(listed).toEqual(
    KAFKA_SERVICES.map((service) => {
      const rights = rightsOf(service)
      return [
        `\`${service}\``,
        cellOf(rights, 'topic', 'Read'),
        cellOf(rights, 'topic', 'Write'),
        cellOf(rights, 'group', 'Read'),
        cellOf(rights, 'transactional id', 'Write'),
      ]
    }),
  )
})
