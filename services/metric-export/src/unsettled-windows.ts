/** A stray write was sent within one timeout and may take another inside the server; one more is the safety margin. */
const TIMEOUTS = 3

/**
 * A write that was given up, or whose writer was killed, may reach the database late and restore older values. So each
 * window is written once more when `graceMs` have passed since its last change without an unanswered write: everything
 * that was under way has arrived by then. An unanswered write restarts the time from the next response.
 */
export class UnsettledWindows {
  readonly graceMs: number
  readonly #now: () => number
  /** Time of the last change, by the window's start. */
  readonly #changedAt = new Map<number, number>()
  /** Time since which every write was answered; undefined: the last one was not. */
  #answeredSince: number | undefined

  /** `now`: a clock in ms that never goes back. */
  constructor(writeTimeoutMs: number, now: () => number) {
    this.graceMs = TIMEOUTS * writeTimeoutMs
    this.#now = now
  }

  /** Records that this task or an earlier one has written the window, or has tried to. */
  changed(start: number): void {
    this.#changedAt.set(start, this.#now())
  }

  /** Records the last write of the window. */
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

  /** Whether an answered write of a due window was its last one. */
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
