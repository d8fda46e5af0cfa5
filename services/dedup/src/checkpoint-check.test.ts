import { expect, it } from 'vitest'
import { checkpointFault } from './checkpoint-check.ts'

const at = (received: bigint, repairs?: number) => ({
  next: { received },
  effectiveTime: 0,
  rotations: 0,
  ...(repairs !== undefined && { repairs }),
})

it('uses a checkpoint of the present log, also when it is behind', () => {
  expect(checkpointFault(at(5n), 10n, { position: at(5n), offset: 9n })).toBeUndefined()
  expect(checkpointFault(at(5n), 10n, { position: at(8n), offset: 12n })).toBeUndefined()
  expect(checkpointFault(at(5n, 2), 10n, { position: at(8n, 2), offset: 12n })).toBeUndefined()
  // A restore that was killed before it came to a position.
  expect(checkpointFault(undefined, 4n, { position: at(8n), offset: 12n })).toBeUndefined()
})

it('discards a checkpoint that is newer than the topic, of another history, or from before a repair', () => {
  expect(checkpointFault(at(5n), 10n, undefined)).toBe('it is newer than the topic')
  expect(checkpointFault(at(5n), 10n, { position: at(4n), offset: 12n })).toBe(
    'it is newer than the topic: received at 5 here and at 4 there',
  )
  expect(checkpointFault(at(5n), 10n, { position: at(6n), offset: 9n })).toBe(
    'the topic has a different position: received at 6',
  )
  for (const held of [at(5n), at(5n, 1), undefined]) {
    expect(checkpointFault(held, 10n, { position: at(8n, 2), offset: 12n })).toBe(
      'the state was repaired after it was written',
    )
  }
})
