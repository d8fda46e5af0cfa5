import { isIPv6 } from 'node:net'

export interface BadTokenLimitOptions {
  /** Wrong tokens that one address may send before it is turned away. */
  readonly max: number
  readonly windowMs: number
}

interface Count {
  bad: number
  /** When it is forgotten; of `now`. */
  until: number
}

const ADDRESSES_MAX = 10_000

/**
 * Counts wrong tokens by address. Whoever has sent too many is turned away for a while, also with a right one: else
 * the guesses would go on unhindered.
 */
export class BadTokenLimit {
  readonly #options: BadTokenLimitOptions
  /** Bounded: the address that has been counted for longest makes room. */
  readonly #counts = new Map<string, Count>()

  constructor(options: BadTokenLimitOptions) {
    this.#options = options
  }

  /** How long the address has to wait, ms; 0: it may ask. `now`: ms of any clock that never goes back. */
  waitMs(address: string, now: number): number {
    const count = this.#counts.get(networkOf(address))
    if (count === undefined || count.until <= now || count.bad < this.#options.max) return 0
    return count.until - now
  }

  /** A wrong token came from there. */
  add(address: string, now: number): void {
    const { windowMs } = this.#options
    const network = networkOf(address)
    const known = this.#counts.get(network)
    const bad = known === undefined || known.until <= now ? 1 : known.bad + 1
    this.#counts.delete(network)
    this.#counts.set(network, { bad, until: now + windowMs })
    if (this.#counts.size > ADDRESSES_MAX) this.#counts.delete(this.#counts.keys().next().value!)
  }
}

/** One who has an IPv6 address has 2^64 of them. */
const networkOf = (address: string): string => {
  if (!isIPv6(address) || address.startsWith('::ffff:')) return address
  const [head = '', tail] = address.split('::', 2)
  const groups = head.split(':').filter((group) => group !== '')
  const rest = (tail ?? '').split(':').filter((group) => group !== '')
  const zeros = tail === undefined ? 0 : 8 - groups.length - rest.length
  return [...groups, ...Array.from({ length: zeros }, () => '0'), ...rest].slice(0, 4).join(':')
}
