import type { Examination, Latency } from '@weir/observer'
import { describeReport, type OracleReport } from '@weir/oracle'
import type { IndependentCheck } from './independent-check.ts'

/** The result of a run, as `--summary` writes it. All counts except `accepted` cover all runs on this state. */
export interface Summary {
  /** 2xx responses in this run. */
  readonly accepted: number
  readonly unique: number
  readonly duplicates: number
  readonly conflicts: number
  readonly dead_lettered: number
  readonly rows: number
  readonly lost: number
  readonly extra: number
  readonly ledger_residue: number
  /** Requests of all runs that were cut off; each may or may not have a row. */
  readonly unknown: number
  /** Rows of events that no simulator has sent. */
  readonly foreign: number
  readonly influx: {
    readonly events_received: number
    readonly events_deduplicated: number
    readonly events_rejected: number
  } | null
  readonly e2e_ms: Latency | null
  /** From the command to a ready ingress. */
  readonly start_secs: number
  /** Resident memory, MB, by process. */
  readonly rss_mb: Readonly<Record<string, number>>
  readonly findings: readonly string[]
  /** The result of the independent oracle; null: it did not run, and `independent_not_run` says why. */
  readonly independent: OracleReport | null
  readonly independent_not_run: string | null
  /** True when the audit finds nothing wrong, and neither does the oracle if it ran. */
  readonly ok: boolean
}

export const summarise = (
  { totals, influx, report, findings, ok }: Examination,
  run: Pick<Summary, 'accepted' | 'start_secs' | 'rss_mb'> & {
    readonly latency: Latency | undefined
    readonly independent: IndependentCheck
    /** Whether something should have been accepted. */
    readonly isSent: boolean
    /** Requests that should have been accepted and were not, as text. */
    readonly mismatches: readonly string[]
  },
): Summary => {
  const { lost, extra, ledgerResidue, unknown, foreign } = report
  const { accepted, latency, independent, start_secs, rss_mb } = run
  const traffic = [
    ...run.mismatches.map((text) => `refused: ${text}: compare SOURCES_FILE and the secrets of ingress`),
    ...(run.isSent && accepted === 0
      ? ['nothing was accepted: no event was sent that could be checked']
      : []),
  ]
  const oracle = independent.kind === 'asked' ? independent.report : null
  return {
    accepted,
    unique: totals.unique,
    duplicates: totals.duplicates,
    conflicts: totals.conflicts,
    dead_lettered: totals.deadLettered + totals.downstreamLetters,
    rows: totals.rows,
    lost,
    extra,
    ledger_residue: ledgerResidue,
    unknown,
    foreign,
    influx: influx
      ? {
          events_received: influx.eventsReceived,
          events_deduplicated: influx.eventsDeduplicated,
          events_rejected: influx.eventsRejected,
        }
      : null,
    e2e_ms: latency ?? null,
    start_secs,
    rss_mb,
    findings: [...traffic, ...findings],
    independent: oracle,
    independent_not_run: independent.kind === 'not-run' ? independent.reason : null,
    ok: ok && oracle?.ok !== false && traffic.length === 0,
  }
}

/** Formats `lost 0         meaning`, one line each. */
const explained = (counts: readonly (readonly [string, number, string])[]): readonly string[] =>
  counts.map(([name, count, meaning]) => `${`${name} ${count}`.padEnd(16)} ${meaning}`)

export const describeSummary = (summary: Summary): string => {
  const { accepted, unique, duplicates, conflicts, dead_lettered, rows, lost, extra, ledger_residue } =
    summary
  const lines = [
    `accepted ${accepted}   unique ${unique}   duplicates ${duplicates}   conflicts ${conflicts}   dead-lettered ${dead_lettered}   rows ${rows}`,
    ...explained([
      ['lost', lost, 'accepted events without a row or a dead letter'],
      ['extra', extra, 'rows and dead letters beyond one for each event'],
      ['unexplained', ledger_residue, 'differences between the counts of the stages (residue of the ledger)'],
      ['unanswered', summary.unknown, 'requests that were cut off: each may have a row or not'],
      ['not ours', summary.foreign, 'rows of events that no simulator has sent'],
    ]),
  ]
  if (summary.influx) {
    const { events_received, events_deduplicated, events_rejected } = summary.influx
    lines.push(
      `InfluxDB: received ${events_received}   deduplicated ${events_deduplicated}   rejected ${events_rejected}`,
    )
  }
  if (summary.e2e_ms) lines.push(`end to end: p50 ${summary.e2e_ms.p50} ms   p99 ${summary.e2e_ms.p99} ms`)
  lines.push(...summary.findings)
  if (summary.independent) lines.push(...describeReport(summary.independent))
  else lines.push(`THE INDEPENDENT CHECK DID NOT RUN: ${summary.independent_not_run}`)
  lines.push(summary.ok ? 'Every event is where it must be.' : 'NOT RIGHT: see above.')
  return lines.join('\n')
}
