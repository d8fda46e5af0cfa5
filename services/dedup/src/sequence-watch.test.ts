import { HEADER } from '@weir/contracts'
import { expect, it } from 'vitest'
import { SequenceWatch } from './sequence-watch.ts'

const event = (key: string, sequence?: string) => ({
  topic: 't',
  partition: 0,
  offset: 0n,
  timestamp: 0,
  value: Buffer.alloc(0),
  key: Buffer.from(key),
  headers: sequence === undefined ? {} : { [HEADER.providerSequence]: Buffer.from(sequence) },
})

const findings = (events: readonly (readonly [string, string | undefined])[]) => {
  const watch = new SequenceWatch()
  return events.map(([key, sequence]) => watch.observe(event(key, sequence)))
}

it('finds gaps and late events, separately for each interaction', () => {
  expect(
    findings([
      ['a', '1'],
      ['b', '7'],
      ['a', '2'],
      ['a', '5'],
      ['b', '8'],
      ['a', '3'],
      ['a', '6'],
    ]),
  ).toEqual([undefined, undefined, undefined, 'gap', undefined, 'out_of_order', undefined])
})

it('ignores events without a sequence number or with a malformed one', () => {
  const numbers = [undefined, '', '0', '-3', '1.5', 'x', '1'.repeat(16), ' 9']
  expect(findings([['a', '2'], ...numbers.map((text) => ['a', text] as const), ['a', '3']])).toEqual(
    Array(10).fill(undefined),
  )
})

it('remembers a bounded number of interactions and starts over with forgotten ones', () => {
  const watch = new SequenceWatch()
  const find = (key: string, sequence: string) => watch.observe(event(key, sequence))
  find('first', '1')
  for (let i = 0; i < 500_000; i++) find(`other-${i}`, '1')
  expect(find('first', '9')).toBeUndefined()
})
