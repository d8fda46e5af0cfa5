/** The cost of a request while its body arrives, whatever the body's size: its head and its connection. */
export const REQUEST_BYTES = 8_192

/**
 * The bytes of all bodies that have not fully arrived, and their limit. Half of the limit is divided equally among the
 * sources: each can use its part whatever the others do. The other half is for any source that needs more.
 */
export class ArrivingBytes {
  readonly #max: number
  readonly #shares = new Map<string, Share>()
  #guarantee = 0
  readonly #common: Common = { total: 0, held: 0, max: 0 }

  constructor(max: number) {
    this.#max = max
  }

  get held(): number {
    return this.#common.total
  }

  /** What each source can use whatever the others do. */
  get guarantee(): number {
    return this.#guarantee
  }

  /** Sets the shares of exactly these sources. A source that is no longer named has no guarantee. */
  divideAmong(sources: readonly string[]): void {
    this.#guarantee = Math.floor(this.#max / (2 * Math.max(1, sources.length)))
    for (const source of sources) {
      if (!this.#shares.has(source)) this.#shares.set(source, new Share(this.#common))
    }
    this.#common.max = this.#max - sources.length * this.#guarantee
    for (const [source, share] of this.#shares) {
      const isNamed = sources.includes(source)
      share.guarantee = isNamed ? this.#guarantee : 0
      if (!isNamed && share.held === 0) this.#shares.delete(source)
    }
  }

  of(source: string): Share {
    return this.#shares.get(source)!
  }
}

interface Common {
  /** For all sources, within their guarantees and beyond. */
  total: number
  held: number
  max: number
}

/** The share of one source. */
export class Share {
  readonly #common: Common
  #guarantee = 0
  #held = 0

  constructor(common: Common) {
    this.#common = common
  }

  get held(): number {
    return this.#held
  }

  set guarantee(bytes: number) {
    const before = this.#beyond(this.#held)
    this.#guarantee = bytes
    this.#common.held += this.#beyond(this.#held) - before
  }

  /** Returns false if there is no room. Nothing was reserved then. */
  take(bytes: number): boolean {
    const more = this.#beyond(this.#held + bytes) - this.#beyond(this.#held)
    if (more > 0 && this.#common.held + more > this.#common.max) return false
    this.#common.held += more
    this.#common.total += bytes
    this.#held += bytes
    return true
  }

  release(bytes: number): void {
    this.#common.held -= this.#beyond(this.#held) - this.#beyond(this.#held - bytes)
    this.#common.total -= bytes
    this.#held -= bytes
  }

  #beyond(held: number): number {
    return Math.max(0, held - this.#guarantee)
  }
}
