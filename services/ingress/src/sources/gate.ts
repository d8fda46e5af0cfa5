/** Limits how many callers are inside at a time. */
export class Gate {
  readonly max: number
  #inside = 0

  constructor(max: number) {
    this.max = max
  }

  /** Returns false if it is full. The caller must not call `leave` then. */
  enter(): boolean {
    if (this.#inside >= this.max) return false
    this.#inside += 1
    return true
  }

  leave(): void {
    this.#inside -= 1
  }
}
