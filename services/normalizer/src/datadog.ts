import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '@weir/service-kit'
import type { Adoption } from './schema-versions.ts'

export interface DatadogOptions {
  readonly url: string
  readonly apiKey: string
  readonly host: string
  readonly intervalMs: number
  readonly logger: Logger
  /** Waits between tries, ms; for tests. */
  readonly backoffMs?: readonly number[]
}

const SOURCE = 'cxone-dataaction'
const PREFIX = 'cxone.dataaction.schema_version'
/** As the v2 API counts metric types. */
const GAUGE = 3
const TIMEOUT_MS = 5_000
const BACKOFF_MS = [1_000, 2_000]

/**
 * Sends the adoption of Data Actions' schema versions as gauges, aggregated here, at an interval. Tries again on 429
 * only, three times in all; a failure is logged and never holds anything up.
 */
export class DatadogGauges {
  readonly #options: DatadogOptions
  readonly #timer: NodeJS.Timeout
  readonly #stopped = new AbortController()
  #adoption: Adoption | undefined
  #sending: Promise<void> | undefined

  constructor(options: DatadogOptions) {
    this.#options = options
    this.#timer = setInterval(() => {
      this.#sending ??= this.send().finally(() => {
        this.#sending = undefined
      })
    }, options.intervalMs)
  }

  set(adoption: ReadonlyMap<string, Adoption> | undefined): void {
    this.#adoption = adoption?.get(SOURCE)
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#stopped.abort()
    await this.#sending
  }

  /** Sends what is known now; never rejects. */
  async send(): Promise<void> {
    const adoption = this.#adoption
    if (adoption === undefined) return
    const { url, apiKey, host, logger, backoffMs = BACKOFF_MS } = this.#options
    const body = JSON.stringify(seriesOf(adoption, host, Math.floor(Date.now() / 1_000)))
    const { signal } = this.#stopped
    try {
      for (let tries = 0; ; tries++) {
        const response = await fetch(`${url}/api/v2/series`, {
          ...{ method: 'POST', body },
          headers: { 'content-type': 'application/json', 'dd-api-key': apiKey },
          signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
        })
        await response.body?.cancel()
        if (response.ok) return
        const waitMs = response.status === 429 ? backoffMs[tries] : undefined
        if (waitMs === undefined) {
          logger.warn({ status: response.status, tries: tries + 1 }, 'Datadog does not take the metrics')
          return
        }
        await sleep(waitMs, undefined, { signal })
      }
    } catch (error) {
      if (!signal.aborted) logger.warn({ error: (error as Error).name }, 'Datadog does not answer')
    }
  }
}

const seriesOf = ({ adopted, total, rate }: Adoption, host: string, timestamp: number) => ({
  series: Object.entries({ adopted, total, adoption_rate: rate }).map(([name, value]) => ({
    metric: `${PREFIX}.${name}`,
    type: GAUGE,
    points: [{ timestamp, value }],
    resources: [{ type: 'host', name: host }],
  })),
})
