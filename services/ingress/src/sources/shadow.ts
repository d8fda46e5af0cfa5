import type { Counter, Logger, Metrics } from '@weir/runtime'
import { findShadowMatches, type RequestHeaders, type SourceAccess } from '@weir/sources'
import { TokenBucket } from './token-bucket.ts'

const LOOKS = { perSec: 2, burst: 10 }
const LOG_MS = 60_000
const BODY_BYTES_MAX = 65_536
const SECRETS_MAX = 4

/**
 * Finds the way of signing that would have matched a refused request of a source in shadow mode. It accepts nothing. It
 * checks only a few requests and logs each finding once a minute, because anyone can send requests that are refused.
 */
export class Shadow {
  readonly #logger: Logger
  readonly #matches: Counter<'source' | 'preset' | 'encoding' | 'secret_encoding' | 'secret'>
  readonly #looks: Counter<'source' | 'result'>
  readonly #buckets = new Map<string, TokenBucket>()
  readonly #loggedAt = new Map<string, number>()

  constructor(logger: Logger, metrics: Pick<Metrics, 'counter'>) {
    this.#logger = logger
    this.#matches = metrics.counter(
      'weir_ingress_shadow_matches_total',
      'Refused requests that another signature scheme would have matched.',
      ['source', 'preset', 'encoding', 'secret_encoding', 'secret'],
    )
    this.#looks = metrics.counter(
      'weir_ingress_shadow_looks_total',
      'Refused requests that were checked against other signature schemes.',
      ['source', 'result'],
    )
  }

  /** For a request whose signature was refused. `now`: ms of a monotonic clock. */
  consider({ source, secrets }: SourceAccess, headers: RequestHeaders, raw: Buffer, now: number): void {
    if (!source.shadow || raw.length > BODY_BYTES_MAX) return
    const bucket = this.#buckets.get(source.name) ?? new TokenBucket(LOOKS, now)
    this.#buckets.set(source.name, bucket)
    if (bucket.take(now) > 0) return
    const matches = findShadowMatches(headers, raw, secrets.slice(0, SECRETS_MAX))
    this.#looks.inc({ source: source.name, result: matches.length > 0 ? 'match' : 'none' })
    for (const { preset, header, algorithm, encoding, content, secretEncoding, secret } of matches) {
      const labels = {
        source: source.name,
        preset,
        encoding,
        secret_encoding: secretEncoding,
        secret: String(secret),
      }
      this.#matches.inc(labels)
      const finding = Object.values(labels).join('|')
      if (now - (this.#loggedAt.get(finding) ?? -LOG_MS) < LOG_MS) continue
      this.#loggedAt.set(finding, now)
      this.#logger.warn(
        { ...labels, header, algorithm, content },
        'a refused request matches another signature scheme: see docs/sources',
      )
    }
  }
}
