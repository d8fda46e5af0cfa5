import { expect } from 'vitest'
import { describeRun, runSeed, shrink, type Start } from '../simulation/schedule/random-schedules.ts'
import { SIMULATION } from './config.ts'

/**
 * Test timeout, ms: enough for the default number of schedules on a machine that runs eight tests at once, plus 20 ms
 * for each further schedule.
 */
export const PATIENCE_MS = 300_000 + 20 * (SIMULATION.schedules ?? 0)

interface Limits {
  readonly schedules: number
  /** Maximum share of schedules in which a partition may be parked. */
  readonly parkedShareMax: number
  /** Minimum number of faults in a schedule that parks a partition. */
  readonly parkingFaultsMin: number
}

/**
 * Runs the schedules of the seeds from 0 and fails with the shortest form of the first faulty one. SIMULATION_SCHEDULES
 * changes their number; SIMULATION_SEED runs and prints only that seed.
 */
export const expectNoFaults = async (start: Start, limits: Limits): Promise<void> => {
  const { seed: only, schedules: count = limits.schedules } = SIMULATION
  const [from, end] = only === undefined ? [0, count] : [only, only + 1]
  let parked = 0
  for (let seed = from; seed < end; seed++) {
    const run = await runSeed(seed, start)
    if (only !== undefined) process.stdout.write(`${describeRun(run)}\n`)
    if (run.fault !== undefined) expect.fail(describeRun(await shrink(run, start)))
    if (run.parked.length === 0) continue
    parked += 1
    if (run.happened.length < limits.parkingFaultsMin) expect.fail(describeRun(run))
  }
  if (only === undefined) expect(parked / count).toBeLessThan(limits.parkedShareMax)
}

/** Runs a few seeds twice and compares the results. */
export const expectRepeatable = async (start: Start): Promise<void> => {
  for (const seed of [1, 2, 3]) expect(await runSeed(seed, start)).toEqual(await runSeed(seed, start))
}
