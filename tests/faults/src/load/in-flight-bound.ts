const MIN = 4
const SLOWER = 0.7
const SLOWER_MS = 500
/** A response that takes longer shows that the rig is at its limit. */
const QUICK_MS = 800

/**
 * How many requests may be in flight: doubled with each round of quick answers up to half of what it was before the
 * last failure, then one more each round, and less when requests fail. So it takes what the rig can take, and lets it
 * recover from a fault instead of drowning it in retries.
 */
export class InFlightBound {
  readonly #max: number
  #now: number
  #threshold: number
  #slowedAt = -Infinity

  constructor(max: number) {
    this.#max = max
    this.#now = Math.min(max, 16)
    this.#threshold = max
  }

  get now(): number {
    return this.#now
  }

  /** Notes a good response and how long it took. */
  answered(tookMs: number): void {
    if (tookMs > QUICK_MS) return
    const more = this.#now < this.#threshold ? 1 : 1 / this.#now
    this.#now = Math.min(this.#max, this.#now + more)
  }

  /** Notes a request without a response in time, at `now` of `performance.now()`. Those of one moment count once. */
  failed(now: number): void {
    if (now - this.#slowedAt < SLOWER_MS) return
    // Failures of one fault are one: the first says how much was too much.
    if (now - this.#slowedAt > 10 * SLOWER_MS) this.#threshold = Math.max(2 * MIN, this.#now / 2)
    this.#slowedAt = now
    this.#now = Math.max(MIN, this.#now * SLOWER)
  }
}
