import { EVENT_SERVICES, SCALED_SERVICES, type ServiceName } from '@weir/contracts'
import { Random } from '@weir/truth'
import { BUDGET_MS, STORES, type StoreName } from '../rig/layout.ts'
import { CRASH_POINTS, type CrashPoint } from './crash-points.ts'
import type { Phase } from './phases.ts'
import type { RunSpec } from './runs.ts'
import type { BrokerRole, Fault, Lane } from './step.ts'
import type { Tier } from './tiers.ts'

export const INSTANCES = [1, 2] as const
const FIRST_AT = 0.02
const LAST_AT = 0.92
const ROLES: readonly BrokerRole[] = ['leader', 'transaction-coordinator', 'group-coordinator']
const DOWN_MS = [1_000, 8_000] as const
/** From well within a session to well beyond it. */
const PAUSE_MS = [500, 15_000] as const
/**
 * Beyond the budget of a request, but shorter than a broker's session: leaders stay, and the requests after those that
 * failed are in time.
 */
export const SHORT_PAUSE_MS = BUDGET_MS + 1_000
const OVER_BUDGET_MS = 7_000

/** Longer than a session by so much. */
const FREEZE_MS_MORE = 2_000
const FROZEN_AFTER_MS = [200, 2_000] as const
const INFLUX_STALL_MS = 12_000
const SLOW = { pieceMs: 1_500, ms: 15_000 }
const BLACK_HOLE_MS = 12_000
/** Shorter and longer than a broker's session. */
const CUT_MS = [3_000, 9_000] as const
const CUTS = ['silent', 'reset', 'half-open'] as const
const CLOCK_STEPS_MS = [300_000, -300_000, -3_600_000] as const
const CLOCK_MS = 8_000
const DISK_DOWN_MS = 5_000
export const FURTHER_INSTANCE = 3
const FROZEN_KINDS: readonly ServiceName[] = ['dedup', 'normalizer']

export interface PlanOptions {
  readonly seed: number
  readonly tier: Tier
  readonly run: Pick<RunSpec, 'phases' | 'starts' | 'shape'>
  readonly hasInflux: boolean
}

type PhasedFault = Fault & { readonly phase: Phase }
const of = (phase: Phase, faults: readonly Fault[]): readonly PhasedFault[] =>
  faults.map((fault) => ({ ...fault, phase }))
const times = <T>(count: number, make: (index: number) => T): readonly T[] =>
  Array.from({ length: count }, (_, index) => make(index))

/** Points that this rig can visit. */
export const crashPointsOf = ({
  run,
  hasInflux,
}: Pick<PlanOptions, 'run' | 'hasInflux'>): readonly CrashPoint[] =>
  CRASH_POINTS.filter(
    (point) =>
      run.phases.includes(phaseOf(point)) &&
      (hasInflux || !(point.by.kind === 'failpoint' && point.by.service === 'metric-export')),
  )

const phaseOf = ({ by }: CrashPoint): Phase => {
  switch (by.kind) {
    case 'failpoint':
      return by.isFreeze === true ? 'freezes' : 'crash-points'
    case 'broker':
    case 'over-budget':
      return 'brokers'
    case 'server':
      return 'servers'
  }
}

/** The faults of a run, spread over its events; the same seed gives the same plan. */
export const makePlan = (options: PlanOptions): readonly Lane[] => {
  const random = new Random(options.seed, 'plan')
  const pauses = spread(options.tier.pauses, EVENT_SERVICES.length, random)
  const lanes = EVENT_SERVICES.flatMap((service, index) =>
    serviceLanes(service, pauses[index]!, options, random),
  )
  const others = [
    ...scalingLanes(options),
    ...lane('servers', brokerFaults(options, random), random),
    ...lane('stores', storeFaults(options, random), random),
    ...lane('outside', outsideFaults(options, random), random),
    ...lane('clocks', clockFaults(options), random),
  ]
  return [...lanes, ...others].filter(({ steps }) => steps.length > 0)
}

const lane = (target: string, faults: readonly PhasedFault[], random: Random): readonly Lane[] => [
  { target, steps: timed(random.shuffle(faults), random) },
]

const serviceLanes = (
  service: ServiceName,
  pauses: number,
  options: PlanOptions,
  random: Random,
): readonly Lane[] => {
  const { tier, run } = options
  const points = crashPointsOf(options).filter(({ by }) => by.kind === 'failpoint' && by.service === service)
  const faults: PhasedFault[] = []
  for (let visit = 0; visit < tier.visits; visit++)
    faults.push(
      ...points.map((point) => ({
        ...visitOf(point, { ...tier, sessionMs: run.shape.sessionMs }, random),
        phase: phaseOf(point),
      })),
    )
  if (run.phases.includes('services')) {
    const kills = faults.reduce((sum, fault) => sum + killsOf(fault), 0)
    faults.push(
      ...of(
        'services',
        times(Math.max(0, tier.killsPerKind - kills), () => ({ kind: 'kill' })),
      ),
      ...of(
        'services',
        times(pauses, () => ({ kind: 'pause', ms: random.between(...PAUSE_MS) })),
      ),
    )
  }
  if (run.phases.includes('starts') && FROZEN_KINDS.includes(service))
    faults.push(...of('starts', frozenStarts(options, random)))
  const shuffled = random.shuffle(faults)
  return INSTANCES.map((instance) => ({
    target: `${service}-${instance}`,
    service,
    steps: timed(
      shuffled.filter((_, index) => index % INSTANCES.length === instance - 1),
      random,
    ),
  }))
}

/**
 * Half of them in the first moments, where an owner is fenced and restored; from a little longer than a session to
 * twice as long.
 */
const frozenStarts = ({ run }: PlanOptions, random: Random): readonly Fault[] =>
  times(Math.ceil(run.starts / FROZEN_KINDS.length), (index) => ({
    kind: 'freeze-at-start',
    how: random.pick(['SIGKILL', 'SIGTERM'] as const),
    afterMs: random.between(0, FROZEN_AFTER_MS[index % 2]!),
    ms: Math.round(run.shape.sessionMs * (1.1 + random.next() * 0.9)) + 500,
  }))

/** One after the other, evenly apart, so that each time there are some without them. */
const scalingLanes = ({ run, tier }: PlanOptions): readonly Lane[] =>
  run.phases.includes('scaling')
    ? SCALED_SERVICES.map((service, lane) => ({
        target: `${service}-${FURTHER_INSTANCE}`,
        steps: times(2 * tier.scalings, (index) => ({
          ...({ phase: 'scaling', kind: index % 2 === 0 ? 'scale-out' : 'scale-in' } as const),
          at:
            FIRST_AT + ((LAST_AT - FIRST_AT) * (index + lane / SCALED_SERVICES.length)) / (2 * tier.scalings),
        })),
      }))
    : []

const killsOf = (fault: Fault): number =>
  fault.kind === 'failpoint' ? Number(fault.how === 'SIGKILL') + Number(fault.ends) : 0

export const visitOf = (
  point: CrashPoint,
  {
    passesMax,
    zombieMs,
    sessionMs,
  }: { readonly passesMax: number; readonly zombieMs: number; readonly sessionMs: number },
  random: Random,
): Fault => {
  const { by } = point
  if (by.kind !== 'failpoint') throw new TypeError(`${point.id} is no failpoint`)
  const [from, to] = by.passes
  const pass = random.between(Math.min(from, passesMax), Math.min(to, passesMax))
  const pauseMs = by.ms ?? (by.isFreeze === true ? sessionMs + FREEZE_MS_MORE : zombieMs)
  const delayMs = by.ms === undefined ? '' : `:${random.between(0, by.ms)}`
  const spec = { kill: `kill:${pass}${delayMs}`, pause: `pause:${pass}:${pauseMs}`, throw: `throw:${pass}` }[
    by.action
  ]
  return {
    kind: 'failpoint',
    point: point.id,
    failpoint: by.failpoint,
    spec: `${by.failpoint}:${spec}`,
    how: random.pick(['SIGKILL', 'SIGTERM'] as const),
    ends: by.action === 'kill',
    pauseMs: by.action === 'pause' ? pauseMs : 0,
  }
}

const brokerFaults = ({ tier, run }: PlanOptions, random: Random): readonly PhasedFault[] => {
  if (!run.phases.includes('brokers')) return []
  const roles = random.shuffle(ROLES)
  return of('brokers', [
    ...times(tier.brokerKills, (index): Fault => {
      return { kind: 'broker-kill', role: roles[index % roles.length]!, downMs: random.between(...DOWN_MS) }
    }),
    ...times(tier.visits, (): Fault => ({ kind: 'brokers-pause', ms: OVER_BUDGET_MS })),
    ...times(tier.visits, (): Fault => ({ kind: 'brokers-pause', ms: SHORT_PAUSE_MS })),
  ])
}

/** Of PostgreSQL, the registry and InfluxDB. */
const storeFaults = ({ tier, run, hasInflux }: PlanOptions, random: Random): readonly PhasedFault[] => {
  const downMs = () => random.between(...DOWN_MS)
  const faults: PhasedFault[] = []
  if (run.phases.includes('servers')) {
    const servers: readonly StoreName[] = ['postgres', 'registry']
    const kills = servers.length * tier.visits + tier.serverKills
    faults.push(
      ...of(
        'servers',
        times(kills, (index) => ({
          kind: 'server-kill',
          server: servers[index % servers.length]!,
          downMs: downMs(),
        })),
      ),
    )
  }
  for (let round = 0; round < tier.rounds; round++) {
    if (run.phases.includes('influx') && hasInflux) {
      faults.push(
        ...of('influx', [
          { kind: 'server-kill', server: 'influx', downMs: downMs() },
          { kind: 'server-stall', server: 'influx', ms: INFLUX_STALL_MS },
          { kind: 'server-slow', server: 'influx', ...SLOW },
        ]),
      )
    }
    if (run.phases.includes('black-holes')) {
      const stores = STORES.filter((server) => server !== 'influx' || hasInflux)
      faults.push(
        ...of(
          'black-holes',
          stores.map((server) => ({ kind: 'black-hole', server, ms: BLACK_HOLE_MS })),
        ),
      )
    }
  }
  return faults
}

/** Of the network and of a disk: one at a time, as each takes a broker away. */
const outsideFaults = ({ tier, run }: PlanOptions, random: Random): readonly PhasedFault[] => {
  const cuts = (from: 'services' | 'brokers'): readonly Fault[] =>
    CUTS.map((how) => ({
      ...({ kind: 'cut', from, how, role: random.pick(ROLES) } as const),
      ms: random.between(...CUT_MS),
    }))
  return times(tier.rounds, () => [
    ...(run.phases.includes('network') ? of('network', [...cuts('services'), ...cuts('brokers')]) : []),
    ...(run.phases.includes('disk') ? of('disk', [{ kind: 'disk-full', downMs: DISK_DOWN_MS }]) : []),
  ]).flat()
}

const clockFaults = ({ tier, run }: PlanOptions): readonly PhasedFault[] => {
  if (!run.phases.includes('clocks')) return []
  const steps = (whose: 'broker' | 'dedup-1'): readonly Fault[] =>
    CLOCK_STEPS_MS.map((byMs) => ({ kind: 'clock-step', whose, byMs, ms: CLOCK_MS }))
  return times(tier.rounds, () => of('clocks', [...steps('broker'), ...steps('dedup-1')])).flat()
}

/** In order and evenly apart, each with some chance in it. */
const timed = (faults: readonly PhasedFault[], random: Random): Lane['steps'] => {
  const gap = (LAST_AT - FIRST_AT) / Math.max(1, faults.length)
  return faults.map((fault, index) => ({
    at: Math.round((FIRST_AT + gap * (index + random.next() * 0.8)) * 10_000) / 10_000,
    ...fault,
  }))
}

/** Shares a count out at random. */
const spread = (count: number, over: number, random: Random): readonly number[] => {
  const shares = Array.from({ length: over }, () => 0)
  for (let i = 0; i < count; i++) shares[random.between(0, over - 1)]! += 1
  return shares
}
