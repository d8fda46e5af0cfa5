import { identify } from '@weir/oracle'
import { expect, it } from 'vitest'
import { Traffic } from '../load/traffic.ts'

it('the oracle and the product, which share no code, derive the same identities', () => {
  const traffic = new Traffic(7, 'identity')
  const shipments = Array.from({ length: 5_000 }, () => traffic.next()).flat()
  const differing = shipments.filter(({ operation, raw }) => {
    const { kind, source, rawHash, eventKey } = operation
    const said = identify(source, raw, rawHash)
    if (kind === 'forged') return false
    return kind === 'malformed' ? said.kind !== 'malformed' : said.kind !== 'event' || said.key !== eventKey
  })
  expect(differing).toEqual([])
  expect(new Set(shipments.map(({ operation }) => operation.source))).toEqual(
    new Set(['cxone', 'cognigy', 'cxone-dataaction', 'nice']),
  )
})
