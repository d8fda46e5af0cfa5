import { EVENT_SERVICES } from '@weir/contracts'
import { expect, it } from 'vitest'
import { CRASH_POINTS } from './crash-points.ts'
import { isAftermath, PHASES, type Phase } from './phases.ts'
import { crashPointsOf, makePlan } from './plan.ts'
import { runsOf, type RunSpec } from './runs.ts'
import type { Fault, Lane } from './step.ts'
import { TIER_NAMES, TIERS } from './tiers.ts'

type Name = (typeof TIER_NAMES)[number]

const runs = (tier: Name, only?: Phase): readonly RunSpec[] => runsOf(TIERS[tier], only, TIERS[tier].events)
/** The lanes of all runs. */
const planOf = (tier: Name, seed = 1, only?: Phase) =>
  runs(tier, only).flatMap((run) => makePlan({ seed, tier: TIERS[tier], run, hasInflux: true }))
const faultsOf = (lanes: readonly Lane[], service?: string): readonly Fault[] =>
  lanes.filter((lane) => service === undefined || lane.service === service).flatMap(({ steps }) => steps)
const count = (faults: readonly Fault[], kind: Fault['kind']): number =>
  faults.filter((fault) => fault.kind === kind).length

it('is the same for a seed, and another for another', () => {
  expect(planOf('nightly')).toEqual(planOf('nightly'))
  expect(planOf('nightly', 2)).not.toEqual(planOf('nightly'))
})

it.each(TIER_NAMES)('has everything that the tier %s promises', (name) => {
  const tier = TIERS[name]
  const lanes = planOf(name)
  const faults = faultsOf(lanes)
  for (const { id, by } of CRASH_POINTS) {
    if (by.kind !== 'failpoint') continue
    expect(faults.filter((fault) => fault.kind === 'failpoint' && fault.point === id)).toHaveLength(
      tier.visits,
    )
  }
  for (const service of EVENT_SERVICES) {
    const kills = faultsOf(lanes, service).reduce((sum, fault) => {
      if (fault.kind === 'kill') return sum + 1
      return fault.kind === 'failpoint' ? sum + Number(fault.ends) + Number(fault.how === 'SIGKILL') : sum
    }, 0)
    expect(kills).toBeGreaterThanOrEqual(tier.killsPerKind)
  }
  expect(count(faults, 'broker-kill')).toBe(tier.brokerKills)
  expect(count(faults, 'pause')).toBe(tier.pauses)
  expect(count(faults, 'brokers-pause')).toBe(2 * tier.visits)
  for (const role of ['leader', 'transaction-coordinator', 'group-coordinator']) {
    expect(faults.some((fault) => fault.kind === 'broker-kill' && fault.role === role)).toBe(true)
  }
})

it.each(PHASES)('has faults of the phase %s, and of no other when it is asked to keep to it', (phase) => {
  if (isAftermath(phase)) return
  const phases = (only?: Phase) =>
    new Set(planOf('ci', 1, only).flatMap(({ steps }) => steps.map((step) => step.phase)))
  expect(phases()).toContain(phase)
  expect([...phases(phase)]).toEqual([phase])
})

it('freezes 40 starts on one and on three brokers, at both session lengths', () => {
  const starts = runs('ci', 'starts')
  expect(starts.map(({ shape }) => [shape.brokers, shape.sessionMs])).toEqual([
    [1, 2_000],
    [3, 2_000],
    [1, 10_000],
    [3, 10_000],
  ])
  for (const run of starts) {
    const lanes = makePlan({ seed: 1, tier: TIERS.ci, run, hasInflux: true })
    const frozen = faultsOf(lanes).filter((fault) => fault.kind === 'freeze-at-start')
    expect(frozen).toHaveLength(40)
    for (const { ms, afterMs } of frozen) {
      expect(ms).toBeGreaterThan(run.shape.sessionMs)
      expect(afterMs).toBeLessThanOrEqual(2_000)
    }
  }
})

it('has its steps in order, within the events', () => {
  for (const { steps } of planOf('nightly')) {
    const at = steps.map((step) => step.at)
    expect(at).toEqual([...at].sort((a, b) => a - b))
    expect(Math.min(...at)).toBeGreaterThan(0)
    expect(Math.max(...at)).toBeLessThan(1)
  }
})

it('keeps to one phase when it is asked to', () => {
  const kinds = new Set(faultsOf(planOf('nightly', 1, 'brokers')).map(({ kind }) => kind))
  expect(kinds).toEqual(new Set(['broker-kill', 'brokers-pause']))
})

it('asks for nothing of InfluxDB where there is none', () => {
  const points = (hasInflux: boolean) => runs('ci').flatMap((run) => crashPointsOf({ run, hasInflux }))
  expect(points(true)).toHaveLength(CRASH_POINTS.length)
  const ids = points(false).map(({ id }) => id)
  expect(ids).not.toContain('metric-export-written')
})
