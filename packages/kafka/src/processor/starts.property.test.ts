import fc from 'fast-check'
import { expect, it } from 'vitest'
import { beginningOf, type Known, type Start } from './starts.ts'

/** The stored records of a partition's readers and their real positions. Faults may remove records. */
interface World {
  /** Number of records that were processed. */
  read: bigint
  committed: bigint | undefined
  start: Start | undefined
  /** Position of a state that keeps positions. */
  position: bigint | undefined
  copy: bigint | undefined
}

type Step =
  | { readonly kind: 'work'; readonly records: bigint }
  | { readonly kind: 'start' }
  | { readonly kind: 'deleteGroup' }
  | { readonly kind: 'deleteState' }
  | { readonly kind: 'copyState' }
  | { readonly kind: 'restoreState' }
  | { readonly kind: 'moveOffset'; readonly by: bigint }

const known = ({ committed, start, position }: World, keepsPositions: boolean): Known => ({
  committed,
  start,
  position: keepsPositions ? (position ?? 'nothing read') : 'not kept',
})

/** Starts a reader and lets it continue if allowed. Returns whether it was allowed. */
const begin = (world: World, keepsPositions: boolean): boolean => {
  const found = beginningOf(known(world, keepsPositions))
  if (found.kind === 'lost' || found.kind === 'unequal') return false
  const offset = found.kind === 'new' ? 0n : found.offset
  // After any loss, it never continues from a wrong position.
  expect(offset).toBe(world.read)
  world.start ??= { from: found.kind === 'new' ? offset : undefined }
  world.committed = offset
  return true
}

const apply = (world: World, step: Step, keepsPositions: boolean): void => {
  switch (step.kind) {
    case 'work':
      if (!begin(world, keepsPositions)) return
      world.read += step.records
      world.committed = world.read
      if (keepsPositions) world.position = world.read
      return
    case 'start':
      begin(world, keepsPositions)
      return
    case 'deleteGroup':
      world.committed = undefined
      return
    case 'deleteState':
      world.position = undefined
      return
    case 'copyState':
      world.copy = world.position
      return
    case 'restoreState':
      world.position = world.copy
      return
    case 'moveOffset':
      // Only a state can show that an offset was moved.
      if (keepsPositions && world.committed !== undefined && world.position !== undefined) {
        world.committed += step.by
      }
  }
}

/** `isMoved`: includes moved offsets. If the state changes too, both may agree again. */
const stepsOf = (isMoved: boolean): fc.Arbitrary<Step> =>
  fc.oneof(
    fc.record({ kind: fc.constant('work' as const), records: fc.bigInt({ min: 1n, max: 5n }) }),
    fc.constantFrom<Step>({ kind: 'start' }, { kind: 'deleteGroup' }),
    isMoved
      ? fc.record({ kind: fc.constant('moveOffset' as const), by: fc.constantFrom(-2n, -1n, 1n, 2n) })
      : fc.constantFrom<Step>({ kind: 'deleteState' }, { kind: 'copyState' }, { kind: 'restoreState' }),
  )

it.each([true, false])(
  'continues at the right position or not at all (keeps positions: %s)',
  (keepsPositions) => {
    let refused = 0
    const all = fc.boolean().chain((isMoved) => fc.array(stepsOf(isMoved), { maxLength: 12 }))
    fc.assert(
      fc.property(all, fc.boolean(), (steps, isOlder) => {
        const world: World = {
          read: 0n,
          committed: undefined,
          start: undefined,
          position: undefined,
          copy: undefined,
        }
        // A version without notes has worked here.
        if (isOlder) {
          world.read = world.committed = 3n
          if (keepsPositions) world.position = 3n
          begin(world, keepsPositions)
        }
        for (const one of steps) apply(world, one, keepsPositions)
        if (!begin(world, keepsPositions)) refused += 1
      }),
      { numRuns: 5_000 },
    )
    expect(refused).toBeGreaterThan(500)
  },
)

it('begins without an operator when nothing was ever read', () => {
  for (const position of ['not kept', 'nothing read'] as const) {
    expect(beginningOf({ committed: undefined, start: undefined, position })).toEqual({ kind: 'new' })
    // The process was killed before its first record.
    expect(beginningOf({ committed: 4n, start: { from: 4n }, position })).toEqual({
      kind: 'known',
      offset: 4n,
    })
  }
})
