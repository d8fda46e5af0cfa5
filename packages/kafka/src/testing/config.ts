const { SIMULATION_SEED, SIMULATION_SCHEDULES } = process.env

const numberOf = (text: string | undefined): number | undefined =>
  text === undefined ? undefined : Number(text)

/** What whoever runs the simulation may ask for. */
export const SIMULATION = {
  /** Runs and prints this schedule alone. */
  seed: numberOf(SIMULATION_SEED),
  /** How many run instead. */
  schedules: numberOf(SIMULATION_SCHEDULES),
} as const
