import { writeFileSync } from 'node:fs'
import { ConfigError } from '@weir/service-kit'
import { audit, readTruth } from '@weir/truth'
import { loadAuditConfig } from './config.ts'
import { drain } from './drain.ts'
import { Observer } from './observe.ts'
import { describeSummary, summarise } from './summary.ts'

const progress = (text: string): void => {
  process.stderr.write(`${text}\n`)
}

/**
 * Audits a deployment that runs elsewhere. Exit code 0: every event is where it must be; 1: not, or not within the
 * time of a drain; 2: unusable settings.
 */
export const runAudit = async (options: { readonly summary?: string }): Promise<number> => {
  let config
  try {
    config = loadAuditConfig()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    progress(error.message)
    return 2
  }
  const { databaseUrl, registryUrl, truthDir, influxUrl } = config
  const observer = new Observer(config, databaseUrl, registryUrl)
  try {
    const influx = influxUrl === undefined ? undefined : { ...config, influxUrl }
    const drained = await drain(observer, influx, progress)
    const report = audit(readTruth(truthDir), await observer.everything())
    const summary = summarise(drained, report, {
      ...{ accepted: report.acked, start_secs: 0, rss_mb: {} },
      latency: await observer.latency(new Date(0)),
    })
    process.stdout.write(`${describeSummary(summary)}\n`)
    if (options.summary !== undefined) writeFileSync(options.summary, `${JSON.stringify(summary, null, 2)}\n`)
    return summary.ok ? 0 : 1
  } finally {
    await observer.close()
  }
}
