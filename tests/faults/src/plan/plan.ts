import { Random } from '@weir/truth'
import { BUDGET_MS, SERVICE_KINDS, type ServiceKind } from '../rig/layout.ts'
import { CRASH_POINTS, type CrashPoint } from './crash-points.ts'
import type { BrokerRole, Fault, Lane } from './step.ts'
import type { Tier } from './tiers.ts'

/**
 * crash-points: the failpoints. freezes: those between the assignment of a partition and its first transaction, each a
 * sleep longer than a session. services: kills and pauses of instances. brokers and servers: the others.
 */
export const PHASES = ['crash-points', 'freezes', 'services', 'brokers', 'servers'] as const
export type Phase = (typeof PHASES)[number]

export const INSTANCES = [1, 2] as const
const FIRST_AT = 0.02
const LAST_AT = 0.92
const ROLES: readonly BrokerRole[] = ['leader', 'transaction-coordinator', 'group-coordinator']
const DOWN_MS = [1_000, 8_000] as const
/** From well within a session to well beyond it. */
const PAUSE_MS = [500, 15_000] as const
/** Beyond the budget of a request, but shorter than a broker's session: leaders stay, and the requests after those that failed are in time. */
export const SHORT_PAUSE_MS = BUDGET_MS + 1_000
const OVER_BUDGET_MS = 7_000

export interface PlanOptions {
  readonly seed: number
  readonly tier: Tier
  /** undefined: all. */
  readonly only?: Phase | undefined
  readonly hasInflux: boolean
}

/** Points that this rig can visit. */
export const crashPointsOf = ({
  only,
  hasInflux,
}: Pick<PlanOptions, 'only' | 'hasInflux'>): readonly CrashPoint[] =>
  CRASH_POINTS.filter((point) => {
    const phase = phaseOf(point)
    if (only !== undefined && only !== phase) return false
    return hasInflux || !(point.by.kind === 'failpoint' && point.by.service === 'metric-export')
  })

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
  const pauses = spread(options.tier.pauses, SERVICE_KINDS.length, random)
  const lanes = SERVICE_KINDS.flatMap((service, index) =>
    serviceLanes(service, pauses[index]!, options, random),
  )
  return [...lanes, { target: 'servers', steps: timed(serverFaults(options, random), random) }]
}

const serviceLanes = (
  service: ServiceKind,
  pauses: number,
  { tier, only, ...options }: PlanOptions,
  random: Random,
): readonly Lane[] => {
  const points = crashPointsOf({ only, ...options }).filter(
    ({ by }) => by.kind === 'failpoint' && by.service === service,
  )
  const faults: Fault[] = []
  for (let visit = 0; visit < tier.visits; visit++)
    faults.push(...points.map((point) => visitOf(point, tier, random)))
  const wants = (phase: Phase): boolean => only === undefined || only === phase
  if (wants('services')) {
    const kills = faults.reduce((sum, fault) => sum + killsOf(fault), 0)
    for (let i = kills; i < tier.killsPerKind; i++) faults.push({ kind: 'kill' })
    for (let i = 0; i < pauses; i++) faults.push({ kind: 'pause', ms: random.between(...PAUSE_MS) })
  }
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

const killsOf = (fault: Fault): number =>
  fault.kind === 'failpoint' ? Number(fault.how === 'SIGKILL') + Number(fault.ends) : 0

export const visitOf = (
  point: CrashPoint,
  tier: Pick<Tier, 'zombieMs' | 'passesMax'>,
  random: Random,
): Fault => {
  const { by } = point
  if (by.kind !== 'failpoint') throw new TypeError(`${point.id} is no failpoint`)
  const [from, to] = by.passes
  const pass = random.between(Math.min(from, tier.passesMax), Math.min(to, tier.passesMax))
  const pauseMs = by.ms ?? tier.zombieMs
  const delayMs = by.ms === undefined ? '' : `:${random.between(0, by.ms)}`
  const spec = { kill: `kill:${pass}${delayMs}`, pause: `pause:${pass}:${pauseMs}`, throw: `throw:${pass}` }[
    by.action
  ]
  return {
    ...{ kind: 'failpoint', point: point.id, failpoint: by.failpoint, spec: `${by.failpoint}:${spec}` },
    how: random.pick(['SIGKILL', 'SIGTERM'] as const),
    ends: by.action === 'kill',
    pauseMs: by.action === 'pause' ? pauseMs : 0,
  }
}

const serverFaults = ({ tier, only }: PlanOptions, random: Random): readonly Fault[] => {
  const wants = (phase: Phase): boolean => only === undefined || only === phase
  const faults: Fault[] = []
  const downMs = () => random.between(...DOWN_MS)
  if (wants('brokers')) {
    const roles = random.shuffle(ROLES)
    for (let i = 0; i < tier.brokerKills; i++) {
      faults.push({ kind: 'broker-kill', role: roles[i % roles.length]!, downMs: downMs() })
    }
    for (let i = 0; i < tier.visits; i++) {
      faults.push(
        { kind: 'brokers-pause', ms: OVER_BUDGET_MS },
        { kind: 'brokers-pause', ms: SHORT_PAUSE_MS },
      )
    }
  }
  if (wants('servers')) {
    const servers = ['postgres', 'registry'] as const
    const kills = servers.length * tier.visits + tier.serverKills
    for (let i = 0; i < kills; i++) {
      faults.push({ kind: 'server-kill', server: servers[i % servers.length]!, downMs: downMs() })
    }
  }
  return random.shuffle(faults)
}

/** In order and evenly apart, each with some chance in it. */
const timed = (faults: readonly Fault[], random: Random): Lane['steps'] => {
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
