import { describe, expect, it } from 'vitest'
import { expectNoFaults, expectRepeatable, PATIENCE_MS } from '../../testing/expect-no-faults.ts'
import { searchAll, type Search } from './all-schedules.ts'
import type { AbortRule } from '../model/model-coordinator.ts'
import type { Protocol } from './owner-actor.ts'
import { owners } from './owner-schedules.ts'
import { PLANTED, PRODUCT } from './protocols.ts'
import { runSeed, shrink } from '../schedule/random-schedules.ts'

describe('random schedules', () => {
  it.each(PLANTED)('find: $name', { timeout: PATIENCE_MS }, async ({ protocol, findsWithin }) => {
    for (let seed = 0; seed < findsWithin; seed++) {
      const run = await runSeed(seed, owners(protocol))
      if (run.fault === undefined) continue
      const shortest = await shrink(run, owners(protocol))
      expect(shortest.fault).toBeDefined()
      expect(shortest.trace.length).toBeLessThanOrEqual(run.trace.length)
      return
    }
    expect.fail(`not found in ${findsWithin} schedules`)
  })

  it('find nothing in the product', { timeout: PATIENCE_MS }, () =>
    // A single fault never parks a partition.
    expectNoFaults(owners(PRODUCT), { schedules: 6_000, parkedShareMax: 0.02, parkingFaultsMin: 2 }),
  )

  it('are the same for the same seed', () => expectRepeatable(owners(PRODUCT)))
})

const RUNS_MAX = 20_000
const RULES: readonly AbortRule[] = ['remembers-epoch', 'forgets-epoch']

const search = (protocol: Protocol, faults: Partial<Search['faults']>, rule: AbortRule) =>
  searchAll({
    protocol,
    rule,
    inputs: ['a', 'b'],
    from: 'TxnOffsetCommit 1',
    switchesMax: 0,
    runsMax: RUNS_MAX,
    faults: {
      successors: 0,
      kills: 0,
      cuts: 0,
      leaderless: [],
      omissions: 0,
      timeOuts: 0,
      reloads: 0,
      ...faults,
    },
  })

describe('all orders of a small scenario', () => {
  it.each(PLANTED)('have: $name', { timeout: PATIENCE_MS }, async ({ protocol, foundBySearch }) => {
    const { failure } = await search(protocol, foundBySearch, 'remembers-epoch')
    expect(failure?.fault).toBeDefined()
  })

  it.each(RULES)('have nothing against the product: %s', { timeout: PATIENCE_MS }, async (rule) => {
    const { failure, isComplete } = await search(PRODUCT, { successors: 1, omissions: 1 }, rule)
    expect(failure && [failure.fault, ...failure.trace].join('\n')).toBeUndefined()
    expect(isComplete).toBe(true)
  })
})
