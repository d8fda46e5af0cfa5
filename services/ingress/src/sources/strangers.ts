import type { Logger } from '@weir/runtime'
import type { SourceMetrics } from '../intake-metrics.ts'
import type { SourceTable } from './source-table.ts'
import { TokenBucket } from './token-bucket.ts'

const LINES = { perSec: 0.2, burst: 5 }
const METHOD = /^[A-Z]{1,20}$/
const SEGMENTS_MAX = 8

/** Requests that reach no source. They are counted under `source="unknown"`, and some of them are logged. */
export class Strangers {
  readonly #logger: Logger
  readonly #metrics: SourceMetrics
  readonly #table: SourceTable
  readonly #lines = new TokenBucket(LINES, performance.now())

  constructor(logger: Logger, metrics: SourceMetrics, table: SourceTable) {
    this.#logger = logger
    this.#metrics = metrics
    this.#table = table
  }

  /** `path`: undefined if the request could not be parsed that far. */
  refused(status: number, method?: string, path?: string): void {
    this.#metrics.answered(status)
    if (this.#lines.take(performance.now()) > 0) return
    this.#logger.warn(
      {
        status,
        ...(method !== undefined && METHOD.test(method) && { method }),
        ...(path !== undefined && { path: this.#shapeOf(path) }),
      },
      'a request reached no source',
    )
  }

  /**
   * Words from the paths of the sources are logged, and of any other word only its length, because a path may contain a
   * secret.
   */
  #shapeOf(path: string): string {
    const segments = path.split('/')
    const shown = segments
      .slice(0, SEGMENTS_MAX)
      .map((text) => (text === '' || this.#table.words.has(text) ? text : `{${text.length}}`))
    return shown.join('/') + (segments.length > SEGMENTS_MAX ? '/...' : '')
  }
}
