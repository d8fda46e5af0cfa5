import { expect } from 'vitest'
import { describeRun, runSeed, shrink, type Start } from '../simulation/schedule/random-schedules.ts'
import { SIMULATION } from './config.ts'

/**
 * Test timeout, ms. A machine that runs eight things at once needs it for the usual number of schedules, and 20 ms for
 * each further one.
 */
export const PATIENCE_MS = 300_000 + 20 * (SIMULATION.schedules ?? 0)

interface Limits {
  readonly schedules: number
  /** The largest share of schedules in which a partition may be parked. */
  readonly parkedShareMax: number
  /** A partition may be parked only where at least so many faults have happened. */
  readonly parkingFaultsMin: number
}

/**
 * Runs the schedules of the seeds from 0 and expects that none goes wrong; of one that does it shows the shortest form.
 * SIMULATION_SCHEDULES changes how many run. SIMULATION_SEED runs and prints that one alone.
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

/** Runs each of a few seeds twice. */
export const expectRepeatable = async (start: Start): Promise<void> => {
  for (const seed of [1, 2, 3]) expect(await runSeed(seed, start)).toEqual(await runSeed(seed, start))
}
