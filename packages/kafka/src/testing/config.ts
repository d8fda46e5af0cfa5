const { SIMULATION_SEED, SIMULATION_SCHEDULES } = process.env

const numberOf = (text: string | undefined): number | undefined =>
  text === undefined ? undefined : Number(text)

/** Settings for a run of the simulation. */
export const SIMULATION = {
  /** Seed of the only schedule to run and print. */
  seed: numberOf(SIMULATION_SEED),
  /** Number of schedules to run, instead of the default. */
  schedules: numberOf(SIMULATION_SCHEDULES),
} as const
