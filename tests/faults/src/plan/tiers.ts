export const TIER_NAMES = ['ci', 'nightly', 'release'] as const
export type TierName = (typeof TIER_NAMES)[number]

export interface StartShape {
  readonly brokers: 1 | 3
  readonly sessionMs: number
}

/** How much of everything a run has. */
export interface Tier {
  readonly events: number
  /** Requests per second at most. */
  readonly rate: number
  readonly lateAfterMs: number
  /** How often each crash point is visited. */
  readonly visits: number
  /** A failpoint fires at its n-th pass, n drawn from its own range, up to this at most. */
  readonly passesMax: number
  /** Ends of each kind of service by SIGKILL, its own or ours, at least. */
  readonly killsPerKind: number
  readonly brokerKills: number
  readonly pauses: number
  /** Kills of PostgreSQL and of the registry beyond the crash points. */
  readonly serverKills: number
  readonly zombieMs: number
  /** Frozen starts on each rig of `startShapes`. */
  readonly starts: number
  readonly startShapes: readonly StartShape[]
  /** Times that further instances come and go, of each stage. */
  readonly scalings: number
  /** Times that each fault of InfluxDB, each black hole, each cut, each step of a clock and the full disk come. */
  readonly rounds: number
  /** More events than this are sent in runs of their own, one after another. */
  readonly segmentEvents: number
}

export const ALL_START_SHAPES: readonly StartShape[] = [
  { brokers: 1, sessionMs: 2_000 },
  { brokers: 3, sessionMs: 2_000 },
  { brokers: 1, sessionMs: 10_000 },
  { brokers: 3, sessionMs: 10_000 },
]

export const TIERS: Readonly<Record<TierName, Tier>> = {
  ci: {
    events: 100_000,
    rate: 2_000,
    lateAfterMs: 60_000,
    visits: 1,
    killsPerKind: 2,
    brokerKills: 3,
    pauses: 1,
    serverKills: 0,
    zombieMs: 15_000,
    segmentEvents: 100_000,
    passesMax: 10,
    starts: 8,
    startShapes: [{ brokers: 1, sessionMs: 2_000 }],
    scalings: 1,
    rounds: 1,
  },
  nightly: {
    events: 1_000_000,
    rate: 2_000,
    lateAfterMs: 90_000,
    visits: 3,
    killsPerKind: 20,
    brokerKills: 15,
    pauses: 10,
    serverKills: 4,
    zombieMs: 60_000,
    segmentEvents: 1_000_000,
    passesMax: 500,
    starts: 40,
    startShapes: ALL_START_SHAPES,
    scalings: 5,
    rounds: 2,
  },
  // A fault each half minute or so of 75 minutes.
  release: {
    events: 5_000_000,
    rate: 2_000,
    lateAfterMs: 120_000,
    visits: 4,
    killsPerKind: 24,
    brokerKills: 15,
    pauses: 12,
    serverKills: 6,
    zombieMs: 60_000,
    segmentEvents: 1_250_000,
    passesMax: 500,
    starts: 40,
    startShapes: ALL_START_SHAPES,
    scalings: 8,
    rounds: 4,
  },
}
