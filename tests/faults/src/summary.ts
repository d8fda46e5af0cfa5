import type { Invariant } from './judge/judge.ts'
import type { CrashPoint } from './plan/crash-points.ts'
import type { Phase } from './plan/phases.ts'
import type { Outcome } from './rig/nemesis.ts'

/** The result of a run, as `--summary` writes it. */
export interface Summary {
  readonly tier: string
  /** Which run of the tier; empty: the one with most of the faults. */
  readonly run: string
  readonly seed: number
  /** Different events sent; asked for; and of the tier when none are asked for. */
  readonly events: number
  readonly events_wanted: number
  readonly events_of_tier: number
  /** Requests by result: acknowledged; cut off, timed out or 503; refused or not delivered. */
  readonly ok: number
  readonly info: number
  readonly fail: number
  /** Events (key and body) by the best result of their requests. */
  readonly ids: { readonly ok: number; readonly info: number; readonly fail: number }
  readonly lost: number
  readonly duplicated: number
  /** Services ended by SIGKILL, from outside or at a failpoint. */
  readonly kills: number
  readonly kills_by_service: Readonly<Record<string, number>>
  readonly broker_kills: number
  readonly postgres_kills: number
  readonly registry_kills: number
  readonly pauses: number
  readonly crash_points_hit: number
  readonly crash_points_total: number
  readonly crash_points_missed: readonly string[]
  readonly crash_points_not_built: readonly string[]
  readonly invariants_failed: number
  readonly invariants: readonly Invariant[]
  /** Processes that ended by themselves, with their logs' last lines. */
  readonly unexpected_exits: readonly string[]
  readonly faults_not_done: readonly string[]
  readonly duration_s: number
  readonly drain_s: number
  readonly requests_per_s: number
  /** Of the services, and of the rig itself. */
  readonly rss_mb_max: number
  readonly rig_rss_mb_max: number
  /** Latency of acknowledged requests, also during faults. */
  readonly latency_p50_ms: number
  readonly latency_p99_ms: number
  /** The commit that was run. */
  readonly version: string
  /** The longest time that something with work left stood still while every broker was in sync, and what it was. */
  readonly stall_s_max: number
  readonly stalled: string
  readonly defect?: string
  readonly phases: readonly PhaseResult[]
  /** Each invariant, each crash point and each phase: what CI counts. */
  readonly checks: readonly Check[]
}

export interface Check {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
}

/** What became of a phase's faults. */
export interface PhaseResult {
  readonly phase: Phase
  /** What must follow, as the invariants or the phase itself judge it. */
  readonly expected: string
  readonly planned: number
  readonly done: number
  /** From its first fault to the end of its last. */
  readonly took_s: number
  readonly ok: boolean
  /** Why faults were not done, or the end was another. */
  readonly missed: readonly string[]
}

export interface MetPoint extends CrashPoint {
  readonly isHit: boolean
}

export const checksOf = (
  invariants: readonly Invariant[],
  points: readonly MetPoint[],
  phases: readonly PhaseResult[],
): readonly Check[] => [
  ...invariants.map(({ id, name, holds, detail }) => ({ name: `${id}. ${name}`, ok: holds, detail })),
  ...points.map(({ id, isHit }) => ({
    name: `crash point ${id}`,
    ok: isHit,
    detail: isHit ? 'met' : 'not met',
  })),
  ...phases.map((result) => ({
    name: `phase ${result.phase}`,
    ok: result.ok,
    detail: describePhase(result),
  })),
]

const describePhase = ({ planned, done, took_s, expected, missed }: PhaseResult): string =>
  [`${done} of ${planned} faults in ${took_s} s, expected: ${expected}`, ...missed].join('; ')

/** A run is right when every invariant holds, every crash point it should meet was met and every phase had its end. */
export const isRight = ({ invariants_failed, crash_points_missed, phases }: Summary): boolean =>
  invariants_failed === 0 && crash_points_missed.length === 0 && phases.every(({ ok }) => ok)

export const describeSummary = (summary: Summary): string => {
  const { ok, info, fail, ids, lost, duplicated, kills, broker_kills, crash_points_missed: missed } = summary
  const { events_wanted: wanted, events_of_tier: full, defect } = summary
  return [
    ...(summary.run === '' ? [] : [summary.run]),
    ...(summary.run === '' && wanted < full && defect === undefined
      ? [
          `${wanted} events were asked for, of the tier's ${full}: the faults are the same, the traffic between them is less`,
        ]
      : []),
    `${summary.events} events, ${ok + info + fail} requests: ok ${ok}   info ${info}   fail ${fail}   (ids: ok ${ids.ok}   info ${ids.info}   fail ${ids.fail})`,
    `lost ${lost}   duplicated ${duplicated}   kills ${kills}   broker kills ${broker_kills}   PostgreSQL ${summary.postgres_kills}   registry ${summary.registry_kills}   pauses ${summary.pauses}`,
    `crash points ${summary.crash_points_hit} of ${summary.crash_points_total}${missed.length > 0 ? `, missed: ${missed.join(', ')}` : ''}; not built: ${summary.crash_points_not_built.join(', ')}`,
    ...summary.invariants.map(
      ({ id, name, holds, detail }) => `${holds ? 'holds ' : 'FAILED'} ${id}. ${name}: ${detail}`,
    ),
    ...summary.phases.map(
      (result) => `${result.ok ? 'done  ' : 'FAILED'} ${result.phase}: ${describePhase(result)}`,
    ),
    ...summary.unexpected_exits.map((text) => `ended by itself: ${text}`),
    `answered ok: p50 ${summary.latency_p50_ms} ms   p99 ${summary.latency_p99_ms} ms;   most memory: a service ${summary.rss_mb_max} MB, the rig ${summary.rig_rss_mb_max} MB;   version ${summary.version}`,
    `${summary.duration_s} s, of it ${summary.drain_s} s to drain; ${summary.requests_per_s} requests/s; longest stall with all brokers in sync: ${summary.stall_s_max} s (${summary.stalled || 'none'})`,
    isRight(summary) ? 'Every event is where it must be.' : 'NOT RIGHT: see above.',
  ].join('\n')
}

const table = (head: readonly string[], rows: readonly (readonly (string | number)[])[]): string =>
  [head, head.map(() => '-'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')

/** A report for people. */
export const reportOf = (
  summary: Summary,
  outcomes: readonly Outcome[],
  points: readonly MetPoint[],
): string =>
  [
    `# Fault injection: ${summary.tier}, seed ${summary.seed}`,
    '',
    'Written by `npm run faults`; [faults.md](faults.md) says what is done and what must hold.',
    '',
    '```',
    describeSummary(summary),
    '```',
    '',
    '## Invariants',
    '',
    table(
      ['', 'Invariant', 'Holds', 'Counted'],
      summary.invariants.map(({ id, name, holds, detail }) => [id, name, holds ? 'yes' : '**no**', detail]),
    ),
    '',
    '## Kills by service',
    '',
    table(['Service', 'Ended by SIGKILL'], Object.entries(summary.kills_by_service)),
    '',
    '## Crash points',
    '',
    table(
      ['Point', 'What happens', 'What must follow', 'Met'],
      points.map(({ id, what, expected, isHit }) => [id, what, expected, isHit ? 'yes' : 'no']),
    ),
    '',
    '## Faults',
    '',
    table(
      ['At, s', 'Target', 'Fault', 'Took, s', 'Not done'],
      [...outcomes]
        .sort((a, b) => a.atMs - b.atMs)
        .map(({ atMs, target, fault, tookMs, missed }) => [
          (atMs / 1_000).toFixed(0),
          target,
          fault,
          (tookMs / 1_000).toFixed(1),
          missed ?? '',
        ]),
    ),
    '',
  ].join('\n')
