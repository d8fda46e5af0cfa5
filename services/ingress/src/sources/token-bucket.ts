import type { RateLimit } from '@weir/sources'

/** Lets through so many per second in the long run, and so many at once. */
export class TokenBucket {
  readonly #rate: RateLimit
  #tokens: number
  #filledAt: number

  /** `now`: ms of any clock that does not go back. */
  constructor(rate: RateLimit, now: number) {
    this.#rate = rate
    this.#tokens = rate.burst
    this.#filledAt = now
  }

  isOf({ perSec, burst }: RateLimit): boolean {
    return this.#rate.perSec === perSec && this.#rate.burst === burst
  }

  /** 0: taken. Else nothing is left, and there is something again after so many whole seconds. */
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
