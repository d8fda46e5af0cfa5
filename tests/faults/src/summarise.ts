import { spawnSync } from 'node:child_process'
import { EVENT_SERVICES } from '@weir/contracts'
import { lastLines, ROOT } from '@weir/local-stack'
import type { JudgeResult } from './judge/judge.ts'
import type { Stall } from './judge/stalls.ts'
import type { Load } from './load/load.ts'
import { NOT_BUILT } from './plan/crash-points.ts'
import { endOf, isAftermath } from './plan/phases.ts'
import type { RunSpec } from './plan/runs.ts'
import type { Lane } from './plan/step.ts'
import type { Instance } from './rig/instance.ts'
import type { Nemesis, Outcome } from './rig/nemesis.ts'
import type { Servers } from './rig/servers.ts'
import type { RunOptions } from './run-options.ts'
import { checksOf, type MetPoint, type PhaseResult, type Summary } from './summary.ts'

/** Of each phase, whether all its faults were done. */
export const phasesOf = (
  { phases }: RunSpec,
  lanes: readonly Lane[],
  outcomes: readonly Outcome[],
): readonly PhaseResult[] =>
  phases
    .filter((phase) => !isAftermath(phase))
    .map((phase) => {
      const planned = lanes.flatMap(({ steps }) => steps).filter((step) => step.phase === phase).length
      const tried = outcomes.filter((outcome) => outcome.phase === phase)
      const missed = tried.filter(({ missed: why }) => why !== undefined)
      const end = Math.max(0, ...tried.map(({ atMs, tookMs }) => atMs + tookMs))
      const begin = Math.min(end, ...tried.map(({ atMs }) => atMs))
      return {
        phase,
        expected: endOf(phase),
        planned,
        done: tried.length - missed.length,
        took_s: secs((end - begin) / 1_000),
        ok: tried.length === planned && missed.length === 0,
        missed: missed.map(({ fault, missed: why }) => `${fault}: ${why!}`),
      }
    })

/** Processes that ended by themselves. */
export const exitsOf = (instances: readonly Instance[]): readonly string[] =>
  instances
    .flatMap(({ ends }) => ends)
    .filter(({ cause }) => cause === 'itself')
    .map(
      ({ instance, exit, livedMs, logFile }) =>
        `${instance} after ${Math.round(livedMs / 1_000)} s with ${exit.code ?? exit.signal}: ${lastWords(logFile)}`,
    )

export const notDoneOf = ({ outcomes }: Nemesis): readonly string[] =>
  outcomes.flatMap(({ target, fault, missed }) =>
    missed === undefined ? [] : [`${target}: ${fault}: ${missed}`],
  )

export const stallOf = (stall: Stall | undefined, loadStartedAt: number) => ({
  stall_s_max: secs((stall?.ms ?? 0) / 1_000),
  stalled: stall === undefined ? '' : `${stall.what}, until ${secs((stall.until - loadStartedAt) / 1_000)} s`,
})

export const secs = (value: number): number => Math.round(value * 10) / 10

/** The commit that is checked out, with `-dirty` when files differ from it; empty outside of a repository. */
const versionOf = (): string => {
  const git = spawnSync('git', ['describe', '--always', '--dirty', '--abbrev=12', '--exclude=*'], {
    ...({ cwd: ROOT, encoding: 'utf8' } as const),
  })
  return git.status === 0 ? git.stdout.trim() : ''
}

/** What a process said last: of a log line the error's message alone, without stack and paths. */
const lastWords = (logFile: string): string => {
  const line = lastLines(logFile, 1)
  try {
    const { msg, err } = JSON.parse(line) as { msg?: string; err?: { message?: string } }
    return err?.message ?? msg ?? ''
  } catch {
    return line.slice(0, 200)
  }
}

/** The summary of a run. */
export const summarise = (
  run: {
    readonly options: Pick<RunOptions, 'tierName' | 'tier' | 'run' | 'seed' | 'defect'>
    readonly verdict: JudgeResult
    readonly load: Load
    readonly nemesis: Nemesis
    readonly instances: readonly Instance[]
    readonly servers: Servers
    readonly met: readonly MetPoint[]
    readonly phases: readonly PhaseResult[]
  },
  measured: Pick<
    Summary,
    'duration_s' | 'drain_s' | 'requests_per_s' | 'rss_mb_max' | 'rig_rss_mb_max' | 'stall_s_max' | 'stalled'
  >,
): Summary => {
  const { options, verdict, load, nemesis, instances, servers, met, phases } = run
  const missed = met.flatMap(({ id, isHit }) => (isHit ? [] : [id]))
  const { invariants, ids, lost, duplicated } = verdict
  const ends = instances.flatMap((instance) => instance.ends)
  const killed = ends.filter(({ cause }) => cause === 'killed' || cause === 'failpoint')
  const byService = Object.fromEntries(
    EVENT_SERVICES.map((kind) => [
      kind,
      killed.filter(({ instance }) => instance.startsWith(`${kind}-`)).length,
    ]),
  )
  const pauses = nemesis.outcomes.filter(
    ({ fault, missed: why }) => fault.includes('pause') && why === undefined,
  )
  return {
    tier: options.tierName,
    seed: options.seed,
    events: load.created,
    run: options.run.name,
    events_wanted: options.run.events,
    events_of_tier: options.tier.events,
    ok: load.counts.ok,
    info: load.counts.info,
    fail: load.counts.fail,
    ids,
    lost,
    duplicated,
    kills: killed.length,
    kills_by_service: byService,
    broker_kills: servers.brokers.reduce((sum, { kills }) => sum + kills, 0),
    postgres_kills: servers.postgres.kills,
    registry_kills: servers.registry.kills,
    pauses: pauses.length,
    crash_points_hit: met.length - missed.length,
    crash_points_total: met.length,
    crash_points_missed: missed,
    crash_points_not_built: NOT_BUILT.map(({ id }) => id),
    invariants_failed: invariants.filter(({ holds }) => !holds).length,
    invariants,
    unexpected_exits: exitsOf(instances),
    faults_not_done: notDoneOf(nemesis),
    ...measured,
    latency_p50_ms: load.counts.latency.quantile(0.5),
    latency_p99_ms: load.counts.latency.quantile(0.99),
    version: versionOf(),
    ...(options.defect && { defect: options.defect.name }),
    phases,
    checks: checksOf(invariants, met, phases),
  }
}
