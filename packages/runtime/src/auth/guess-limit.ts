import { createHash } from 'node:crypto'
import { networkOf } from '@weir/contracts'

export interface GuessLimitOptions {
  /** Wrong tokens allowed per address, and requests allowed with one wrong token from any address, in one window. */
  readonly max: number
  readonly windowMs: number
}

interface Count {
  bad: number
  /** When this count expires, on the clock of `now`. */
  until: number
}

const KEYS_MAX = 10_000

/**
 * Counts wrong tokens by address and by token. Past the limit, a client that sends another wrong token must wait.
 * Right tokens are not counted or refused, because another client behind the same address must not be locked out; the
 * length of the tokens makes a lucky guess improbable.
 */
export class GuessLimit {
  readonly #options: GuessLimitOptions
  /** Bounded: the oldest count is dropped to make room. */
  readonly #counts = new Map<string, Count>()

  constructor(options: GuessLimitOptions) {
    this.#options = options
  }

  /**
   * Counts a wrong token. Returns how long its sender must wait, ms; 0 while the limit is not reached. `now` is in ms
   * of any clock that never goes back.
   */
  add(address: string, authorization: string | undefined, now: number): number {
    const keys = [`address ${networkOf(address)}`]
    if (authorization !== undefined) {
      keys.push(`token ${createHash('sha256').update(authorization).digest('base64')}`)
    }
    const waitMs = Math.max(...keys.map((key) => this.#waitMs(key, now)))
    if (waitMs === 0) for (const key of keys) this.#count(key, now)
    return waitMs
  }

  #waitMs(key: string, now: number): number {
    const count = this.#counts.get(key)
    if (count === undefined || count.until <= now || count.bad < this.#options.max) return 0
    return count.until - now
  }

  #count(key: string, now: number): void {
    const known = this.#counts.get(key)
    const bad = known === undefined || known.until <= now ? 1 : known.bad + 1
    this.#counts.delete(key)
    this.#counts.set(key, { bad, until: now + this.#options.windowMs })
    if (this.#counts.size > KEYS_MAX) this.#counts.delete(this.#counts.keys().next().value!)
  }
}
