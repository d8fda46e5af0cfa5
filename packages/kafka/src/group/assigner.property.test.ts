import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { assignSticky, type MemberClaim } from './assigner.ts'

const partitionsUpTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

/** Members as a group can have them: claims may overlap, repeat, be outdated or name partitions that do not exist. */
const claims = (partitionMax: number, memberMax: number): fc.Arbitrary<MemberClaim[]> =>
  fc.uniqueArray(
    fc.record({
      memberId: fc.stringMatching(/^m[a-f0-9]{1,3}$/),
      generation: fc.integer({ min: -1, max: 4 }),
      owned: fc.array(fc.integer({ min: 0, max: partitionMax + 1 }), { maxLength: partitionMax }),
    }),
    { minLength: 1, maxLength: memberMax, selector: ({ memberId }) => memberId },
  )

const scenario = fc
  .integer({ min: 0, max: 24 })
  .chain((count) => fc.tuple(fc.constant(partitionsUpTo(count)), claims(count, 8)))

/** The previous owner of each partition, which is its latest claimant. */
const holders = (partitions: readonly number[], members: readonly MemberClaim[]): Map<number, string> => {
  const held = new Map<number, string>()
  const latestFirst = [...members].sort(
    (a, b) => b.generation - a.generation || (a.memberId < b.memberId ? -1 : 1),
  )
  for (const { memberId, owned } of latestFirst) {
    for (const one of owned) if (partitions.includes(one) && !held.has(one)) held.set(one, memberId)
  }
  return held
}

const keptBy = (assignment: ReadonlyMap<string, readonly number[]>, held: ReadonlyMap<number, string>) =>
  [...assignment].flatMap(([memberId, owned]) => owned.filter((one) => held.get(one) === memberId)).length

describe('assignSticky', () => {
  it('gives each partition to one member, with counts that differ by at most one', () => {
    fc.assert(
      fc.property(scenario, ([partitions, members]) => {
        const assignment = assignSticky(partitions, members)
        expect([...assignment.keys()].sort()).toEqual(members.map(({ memberId }) => memberId).sort())
        expect([...assignment.values()].flat().sort((a, b) => a - b)).toEqual(partitions)
        const counts = [...assignment.values()].map(({ length }) => length)
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1)
      }),
    )
  })

  it('moves as few partitions as equal counts allow', () => {
    fc.assert(
      fc.property(scenario, ([partitions, members]) => {
        const held = holders(partitions, members)
        const counts = members.map(
          ({ memberId }) => [...held.values()].filter((one) => one === memberId).length,
        )
        // The larger quotas, as many as the remainder, save most moves for the members with most partitions.
        const floor = Math.floor(partitions.length / members.length)
        const larger = partitions.length % members.length
        const gains = counts.map((count) => (count > floor ? 1 : 0)).filter((gain) => gain === 1).length
        const keepable =
          counts.reduce((sum, count) => sum + Math.min(count, floor), 0) + Math.min(gains, larger)
        expect(keptBy(assignSticky(partitions, members), held)).toBe(keepable)
      }),
    )
  })

  it('does not depend on the order in which the coordinator names the members', () => {
    fc.assert(
      fc.property(scenario, fc.infiniteStream(fc.nat()), ([partitions, members], numbers) => {
        const shuffled = members
          .map((member) => ({ member, rank: numbers.next().value as number }))
          .sort((a, b) => a.rank - b.rank)
          .map(({ member }) => member)
        const sorted = (assignment: ReadonlyMap<string, readonly number[]>) => [...assignment].sort()
        expect(sorted(assignSticky(partitions, shuffled))).toEqual(sorted(assignSticky(partitions, members)))
      }),
    )
  })

  it('moves no partition without a change, and only the necessary ones when a member joins', () => {
    const first = assignSticky(partitionsUpTo(12), [
      { memberId: 'a', generation: -1, owned: [] },
      { memberId: 'b', generation: -1, owned: [] },
    ])
    const again = [...first].map(([memberId, owned]) => ({ memberId, owned, generation: 1 }))
    expect(assignSticky(partitionsUpTo(12), again)).toEqual(first)
    const grown = assignSticky(partitionsUpTo(12), [...again, { memberId: 'c', generation: -1, owned: [] }])
    expect(grown.get('c')).toHaveLength(4)
    expect(first.get('a')).toEqual(expect.arrayContaining([...grown.get('a')!]))
    expect(first.get('b')).toEqual(expect.arrayContaining([...grown.get('b')!]))
  })

  it('gives a partition claimed by two members to the later generation', () => {
    const assignment = assignSticky(partitionsUpTo(4), [
      { memberId: 'zombie', generation: 3, owned: [0, 1] },
      { memberId: 'owner', generation: 4, owned: [0, 1] },
    ])
    expect(assignment.get('owner')).toEqual([0, 1])
  })
})
