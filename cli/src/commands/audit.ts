import { writeFileSync } from 'node:fs'
import { parseDeadLetterKeys } from '@weir/contracts'
import { readTotals } from '@weir/metric-export'
import { examine, Observer } from '@weir/observer'
import { loadAuditConfig } from '../config.ts'
import { printPage, progress } from '../output.ts'
import { describeSummary, summarise } from '../start/summary.ts'

/**
 * Audits a deployment that runs elsewhere. Exit code 0: every event is where it must be; 1: an event is missing, or
 * the deployment was not drained in time. Rejects with a `ConfigError` for unusable settings.
 */
export const runAudit = async (options: { readonly summary?: string }): Promise<number> => {
  const config = loadAuditConfig()
  const { databaseUrl, registryUrl, truthDir, influxUrl } = config
  const keys = parseDeadLetterKeys(config.deadLetterKeys)
  const observer = new Observer({ settings: config, databaseUrl, registryUrl, keys })
  try {
    const examination = await examine({
      observer,
      truthDir,
      progress,
      ...(influxUrl !== undefined && { influx: () => readTotals({ ...config, influxUrl }) }),
    })
    const summary = summarise(examination, {
      accepted: examination.report.acked,
      start_secs: 0,
      rss_mb: {},
      isSent: true,
      mismatches: [],
      latency: await observer.latency(new Date(0)),
      independent: { kind: 'not-run', reason: 'only `npm start -- --for` and `npm run faults` do' },
    })
    printPage(describeSummary(summary))
    if (options.summary !== undefined) writeFileSync(options.summary, `${JSON.stringify(summary, null, 2)}\n`)
    return summary.ok ? 0 : 1
  } finally {
    await observer.close()
  }
}
