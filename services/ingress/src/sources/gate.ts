/** Limits how many are inside at a time. */
export class Gate {
  readonly max: number
  #inside = 0

  constructor(max: number) {
    this.max = max
  }

  /** False: it is full, and the caller must not call `leave`. */
  enter(): boolean {
    if (this.#inside >= this.max) return false
    this.#inside += 1
    return true
  }

  leave(): void {
    this.#inside -= 1
  }
}
