/** A stray write was sent within one time-out, may take another inside the server, and one is to spare. */
const TIMEOUTS = 3

/**
 * A write that was given up, or whose writer was killed, may reach the database late and put back older values. So each
 * window is written once more when `graceMs` have passed since its last change in which every write was answered: what
 * was under way has arrived before. A write that is not answered starts the time again, from the next answer.
 */
export class UnsettledWindows {
  readonly graceMs: number
  readonly #now: () => number
  /** By the window's start: when it was last changed. */
  readonly #changedAt = new Map<number, number>()
  /** Since when every write was answered; undefined: the last one was not. */
  #answeredSince: number | undefined

  /** `now`: a clock in ms that never goes back. */
  constructor(writeTimeoutMs: number, now: () => number) {
    this.graceMs = TIMEOUTS * writeTimeoutMs
    this.#now = now
  }

  /** This owner or an earlier one has written the window, or has tried. */
  changed(start: number): void {
    this.#changedAt.set(start, this.#now())
  }

  /** The window was written last. */
  settled(start: number): void {
    this.#changedAt.delete(start)
  }

  get count(): number {
    return this.#changedAt.size
  }

  has(start: number): boolean {
    return this.#changedAt.has(start)
  }

  answered(): void {
    this.#answeredSince ??= this.#now()
  }

  unanswered(): void {
    this.#answeredSince = undefined
  }

  /** Whether an answered write of a window that is due was its last. */
  get isQuiet(): boolean {
    return this.#answeredSince !== undefined && this.#now() - this.#answeredSince >= this.graceMs
  }

  /** Windows to write now, oldest first. */
  due(): readonly number[] {
    if (this.#answeredSince !== undefined && !this.isQuiet) return []
    const now = this.#now()
    return [...this.#changedAt]
      .filter(([, changedAt]) => now - changedAt >= this.graceMs)
      .map(([start]) => start)
      .sort((a, b) => a - b)
  }
}
