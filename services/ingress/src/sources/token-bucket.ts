import type { RateLimit } from '@weir/sources'

/** Allows a sustained rate per second and a burst. */
export class TokenBucket {
  readonly #rate: RateLimit
  #tokens: number
  #filledAt: number

  /** `now`: ms of a monotonic clock. */
  constructor(rate: RateLimit, now: number) {
    this.#rate = rate
    this.#tokens = rate.burst
    this.#filledAt = now
  }

  isOf({ perSec, burst }: RateLimit): boolean {
    return this.#rate.perSec === perSec && this.#rate.burst === burst
  }

  /** Returns 0 if a token was taken, otherwise the number of whole seconds until there is one. */
  take(now: number): number {
    const { perSec, burst } = this.#rate
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#filledAt) / 1_000) * perSec)
    this.#filledAt = now
    if (this.#tokens >= 1) {
      this.#tokens -= 1
      return 0
    }
    return Math.max(1, Math.ceil((1 - this.#tokens) / perSec))
  }
}
