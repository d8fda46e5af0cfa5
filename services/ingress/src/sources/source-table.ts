import type { RateLimit, SourceAccess } from '@weir/sources'
import type { IngressConfig } from '../config.ts'
import type { ArrivingBytes, Share } from '../receive/arriving-bytes.ts'
import type { IntakeMetrics, SourceMetrics } from '../intake-metrics.ts'
import { Gate } from './gate.ts'
import { TokenBucket } from './token-bucket.ts'

/** A source with its limits at runtime. */
export interface Route {
  readonly access: SourceAccess
  readonly metrics: SourceMetrics
  readonly bodyBytesMax: number
  /**
   * From the head to the response, including the body and the brokers. Undefined if the separate limits are sufficient.
   */
  readonly requestBudgetMs: number | undefined
  /** For the bytes that arrive. */
  readonly share: Share
  /** For authentic requests that are being written, for the same reason. */
  readonly gate: Gate | undefined
  /** For authentic requests, so that other senders cannot use up the provider's rate. */
  readonly accepted: TokenBucket | undefined
  /** For all others. */
  readonly refused: TokenBucket | undefined
  readonly handshakes: TokenBucket
}

type Bounds = Pick<
  IngressConfig,
  'bodyBytesMax' | 'requestBudgetMs' | 'ratePerSec' | 'rateBurst' | 'trailingSlash'
>

/** Providers ask when an address is registered, and then every few days. */
const HANDSHAKE_RATE = { perSec: 2, burst: 20 }

/** The paths of all sources. It is replaced as a whole, so that a request sees either the old or the new sources. */
export class SourceTable {
  readonly #bounds: Bounds
  readonly #metrics: IntakeMetrics
  readonly #arriving: ArrivingBytes
  #routes: ReadonlyMap<string, Route> = new Map()
  #bySource: ReadonlyMap<string, Route> = new Map()
  #words: ReadonlySet<string> = new Set()

  constructor(bounds: Bounds, metrics: IntakeMetrics, arriving: ArrivingBytes) {
    this.#bounds = bounds
    this.#metrics = metrics
    this.#arriving = arriving
  }

  find(path: string): Route | undefined {
    const route = this.#routes.get(path)
    if (route !== undefined || !this.#bounds.trailingSlash || !path.endsWith('/')) return route
    return this.#routes.get(path.slice(0, -1))
  }

  /** The words in the paths of the sources. */
  get words(): ReadonlySet<string> {
    return this.#words
  }

  /** The names of the sources whose requests cannot be checked at the moment. */
  get unavailable(): readonly string[] {
    return [...this.#bySource].flatMap(([name, { access }]) =>
      access.unavailable === undefined ? [] : [name],
    )
  }

  replace(accesses: readonly SourceAccess[]): void {
    this.#arriving.divideAmong(accesses.map(({ source }) => source.name))
    const bySource = new Map(accesses.map((access) => [access.source.name, this.#routeOf(access)]))
    this.#routes = new Map(
      [...bySource.values()].flatMap((route) => route.access.source.paths.map((path) => [path, route])),
    )
    this.#words = new Set([...this.#routes.keys()].flatMap((path) => path.split('/')))
    this.#bySource = bySource
  }

  #routeOf(access: SourceAccess): Route {
    const { name, limits } = access.source
    const rate = limits.rate ?? this.#defaultRate()
    const previous = this.#bySource.get(name)
    return {
      access,
      metrics: this.#metrics.of(name),
      bodyBytesMax: limits.bodyBytesMax ?? this.#bounds.bodyBytesMax,
      requestBudgetMs: limits.requestBudgetMs,
      share: this.#arriving.of(name),
      gate:
        limits.concurrency === undefined
          ? undefined
          : previous?.gate?.max === limits.concurrency
            ? previous.gate
            : new Gate(limits.concurrency),
      // A reload of the sources does not reset the used rate.
      accepted:
        rate &&
        (previous?.accepted?.isOf(rate) ? previous.accepted : new TokenBucket(rate, performance.now())),
      refused:
        rate && (previous?.refused?.isOf(rate) ? previous.refused : new TokenBucket(rate, performance.now())),
      handshakes: previous?.handshakes ?? new TokenBucket(HANDSHAKE_RATE, performance.now()),
    }
  }

  #defaultRate(): RateLimit | undefined {
    const { ratePerSec, rateBurst } = this.#bounds
    if (ratePerSec === 0) return undefined
    return { perSec: ratePerSec, burst: rateBurst === 0 ? 2 * ratePerSec : rateBurst }
  }
}
