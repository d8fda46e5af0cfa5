import { createHash } from 'node:crypto'
import { networkOf } from '@weir/contracts'

export interface GuessLimitOptions {
  /** Wrong tokens that one address may send, or that may come of one wrong token from anywhere. */
  readonly max: number
  readonly windowMs: number
}

interface Count {
  bad: number
  /** When it is forgotten; of `now`. */
  until: number
}

const KEYS_MAX = 10_000

/**
 * Counts wrong tokens, by address and by token. After too many, whoever sends another wrong one is told to wait. It is not
 * asked about right tokens: someone else behind the same address must not be shut out. That a guess hits is kept
 * improbable by the length of the tokens.
 */
export class GuessLimit {
  readonly #options: GuessLimitOptions
  /** Bounded: what has been counted for longest makes room. */
  readonly #counts = new Map<string, Count>()

  constructor(options: GuessLimitOptions) {
    this.#options = options
  }

  /** How long to wait after this wrong token, ms; 0: it is counted, and not one too many. `now`: ms of any clock that never goes back. */
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
