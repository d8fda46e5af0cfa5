import { setTimeout as sleep } from 'node:timers/promises'
import { askHttp, type Logger } from '@weir/runtime'
import { readSourcesFile } from '@weir/sources'
import type { Adoption } from './schemas/schema-versions.ts'

export interface DatadogOptions {
  readonly url: string
  readonly apiKey: string
  readonly host: string
  /** Only the figures of these sources are sent. */
  readonly sources: ReadonlySet<string>
  readonly intervalMs: number
  readonly logger: Logger
  /** Waits between attempts, ms. Tests shorten them. */
  readonly backoffMs?: readonly number[]
  /** For tests. */
  readonly timeoutMs?: number
}

const PREFIX = 'cxone.dataaction.schema_version'
/** The code for a gauge in the v2 API. */
const GAUGE = 3
const TIMEOUT_MS = 5_000
const BACKOFF_MS = [1_000, 2_000]

/** Names of the sources that S3's schema metrics cover. Problems of the file were reported with the mappings. */
export const dataActionSources = (sourcesFile: string | undefined): ReadonlySet<string> => {
  const { sources } = readSourcesFile(sourcesFile)
  return new Set(sources.filter(({ preset }) => preset === 'cxone-dataaction').map(({ name }) => name))
}

/**
 * Sends the adoption of schema versions as gauges at an interval, one set for each source. Retries only after 429, with
 * three attempts in all. A failure is logged and blocks nothing.
 */
export class DatadogGauges {
  readonly #options: DatadogOptions
  readonly #timer: NodeJS.Timeout
  readonly #stopped = new AbortController()
  #adoption: ReadonlyMap<string, Adoption> = new Map()
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
    const { sources } = this.#options
    this.#adoption = new Map([...(adoption ?? [])].filter(([source]) => sources.has(source)))
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#stopped.abort()
    await this.#sending
  }

  /** Sends the current figures. Never rejects. */
  async send(): Promise<void> {
    const adoption = this.#adoption
    if (adoption.size === 0) return
    const { url, apiKey, host, logger, backoffMs = BACKOFF_MS, timeoutMs = TIMEOUT_MS } = this.#options
    const timestamp = Math.floor(Date.now() / 1_000)
    const series = [...adoption].flatMap(([source, one]) => seriesOf(source, one, host, timestamp))
    const body = JSON.stringify({ series })
    const { signal } = this.#stopped
    try {
      for (let tries = 0; ; tries++) {
        const { status } = await askHttp(`${url}/api/v2/series`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', 'dd-api-key': apiKey },
          body,
          timeoutMs,
          signal,
        })
        if (status >= 200 && status < 300) return
        const waitMs = status === 429 ? backoffMs[tries] : undefined
        if (waitMs === undefined) {
          logger.warn({ status, tries: tries + 1 }, 'Datadog rejects the metrics')
          return
        }
        await sleep(waitMs, undefined, { signal })
      }
    } catch (error) {
      if (!signal.aborted) logger.warn({ error: (error as Error).message }, 'Datadog does not respond')
    }
  }
}

const seriesOf = (source: string, { adopted, total, rate }: Adoption, host: string, timestamp: number) =>
  Object.entries({ adopted, total, adoption_rate: rate }).map(([name, value]) => ({
    metric: `${PREFIX}.${name}`,
    type: GAUGE,
    points: [{ timestamp, value }],
    resources: [{ type: 'host', name: host }],
    tags: [`source:${source}`],
  }))
