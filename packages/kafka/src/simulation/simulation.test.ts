import { describe, expect, it } from 'vitest'
import { searchAll, type Search } from './all-schedules.ts'
import type { AbortRule } from './model-coordinator.ts'
import type { Protocol } from './owner-actor.ts'
import { owners } from './owner-schedules.ts'
import { PLANTED, PRODUCT } from './protocols.ts'
import { describeRun, runSeed, shrink } from './random-schedules.ts'

/** Those of a calm minute on two cores take a third of it; a machine that does eight things at once needs longer. */
const PATIENCE_MS = 300_000
const SCHEDULES = 6_000
const RUNS_MAX = 20_000
/** Of the product: a partition is parked in one of so many schedules at most. */
const PARKED_SHARE_MAX = 0.02

const { SIMULATION_SEED, SIMULATION_SCHEDULES } = process.env

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

  it('find nothing in the product', { timeout: PATIENCE_MS }, async () => {
    const only = SIMULATION_SEED === undefined ? undefined : Number(SIMULATION_SEED)
    const count = Number(SIMULATION_SCHEDULES ?? SCHEDULES)
    const [from, end] = only === undefined ? [0, count] : [only, only + 1]
    let parked = 0
    for (let seed = from; seed < end; seed++) {
      const run = await runSeed(seed, owners(PRODUCT))
      if (only !== undefined) process.stdout.write(`${describeRun(run)}\n`)
      if (run.fault !== undefined) expect.fail(describeRun(await shrink(run, owners(PRODUCT))))
      if (run.parked.length === 0) continue
      parked += 1
      // One fault alone never stops a partition.
      if (run.happened.length < 2) expect.fail(describeRun(run))
    }
    expect(parked / (end - from)).toBeLessThan(only === undefined ? PARKED_SHARE_MAX : 2)
  })

  it('are the same for the same seed', async () => {
    for (const seed of [1, 2, 3]) {
      const [first, second] = [await runSeed(seed, owners(PRODUCT)), await runSeed(seed, owners(PRODUCT))]
      expect(second).toEqual(first)
    }
  })
})

const RULES: readonly AbortRule[] = ['remembers-epoch', 'forgets-epoch']

const search = (protocol: Protocol, faults: Partial<Search['faults']>, rule: AbortRule) =>
  searchAll({
    ...{ protocol, rule, inputs: ['a', 'b'], from: 'TxnOffsetCommit 1', switchesMax: 0, runsMax: RUNS_MAX },
    faults: {
      ...{ successors: 0, kills: 0, cuts: 0, leaderless: [], omissions: 0, timeOuts: 0, reloads: 0 },
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
