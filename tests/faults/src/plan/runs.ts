import { USUAL, type RigShape } from '../rig/layout.ts'
import { isAftermath, OUTSIDE, PHASES, STARTING, type Phase } from './phases.ts'
import { ALL_START_SHAPES, type StartShape, type Tier } from './tiers.ts'

/** One rig, from its start to its verdict. */
export interface RunSpec {
  /** Empty: the run with most of the faults. */
  readonly name: string
  readonly shape: RigShape
  readonly phases: readonly Phase[]
  /** Different events. */
  readonly events: number
  /** Requests per second at most. */
  readonly rate: number
  /** When late repeats come. */
  readonly lateAfterMs: number
  /** Starts that are frozen at random moments. */
  readonly starts: number
}

/** Frozen starts on each rig, where they are all that is asked for. */
const STARTS_ALONE = 40
/**
 * Many partitions, each with a transaction open much of the time: what a sleeper does when it wakes then meets some.
 */
const START_RATE = 400
const START_SHAPE = { ...USUAL, partitions: 48, lingerMs: 50 }
/** A process ends, starts, joins, and sleeps for one and a half sessions; four at a time. */
const secsOf = (starts: number, { sessionMs }: StartShape): number =>
  (starts / 4) * (5 + (1.6 * sessionMs) / 1_000)
const FREEZE_SECS = 60
const START_LATE_MS = 15_000
const AFTERMATH_EVENTS = 2_000
const AFTERMATH_LATE_MS = 2_000
const OUTSIDE_PART = 0.1
const OUTSIDE_RATE = 400
const OUTSIDE_LATE_MS = 30_000

const startRun = (shape: StartShape, starts: number, phases: readonly Phase[]): RunSpec => {
  const secs =
    (phases.includes('starts') ? secsOf(starts, shape) : 0) + (phases.includes('freezes') ? FREEZE_SECS : 0)
  const brokers = shape.brokers === 1 ? 'one broker' : `${shape.brokers} brokers`
  return {
    name: `${phases.join(' and ')}, ${brokers}, session ${shape.sessionMs / 1_000} s`,
    shape: { ...START_SHAPE, ...shape },
    phases,
    events: Math.round(secs * START_RATE),
    rate: START_RATE,
    lateAfterMs: START_LATE_MS,
    starts,
  }
}

/** The runs of a tier. `only`: those of one phase. */
export const runsOf = (tier: Tier, only: Phase | undefined, events: number): readonly RunSpec[] => {
  const wanted = PHASES.filter((phase) => only === undefined || only === phase)
  const starting = STARTING.filter((phase) => wanted.includes(phase))
  const outside = OUTSIDE.filter((phase) => wanted.includes(phase))
  const apart: readonly Phase[] = [...STARTING, ...OUTSIDE]
  const main = wanted.filter((phase) => !apart.includes(phase) && !isAftermath(phase))
  const runs: RunSpec[] = []
  if (main.length > 0) {
    const { rate, lateAfterMs } = tier
    runs.push({ name: '', shape: USUAL, phases: main, events, rate, lateAfterMs, starts: 0 })
  }
  if (outside.length > 0) {
    runs.push({
      name: outside.join(', '),
      shape: { ...USUAL, isBreakable: true },
      phases: outside,
      events: Math.ceil(events * OUTSIDE_PART),
      rate: Math.min(tier.rate, OUTSIDE_RATE),
      lateAfterMs: OUTSIDE_LATE_MS,
      starts: 0,
    })
  }
  const isAlone = only === 'starts'
  const shapes = isAlone ? ALL_START_SHAPES : tier.startShapes
  // Each step is met on the first of the rigs; random moments on all.
  for (const [index, shape] of shapes.entries()) {
    const phases = starting.filter((phase) => phase === 'starts' || index === 0)
    if (phases.length > 0) runs.push(startRun(shape, isAlone ? STARTS_ALONE : tier.starts, phases))
  }
  for (const phase of wanted.filter(isAftermath)) {
    runs.push({
      name: phase,
      shape: { ...USUAL, brokers: 1 },
      phases: [phase],
      events: AFTERMATH_EVENTS,
      rate: tier.rate,
      lateAfterMs: AFTERMATH_LATE_MS,
      starts: 0,
    })
  }
  return runs
}
