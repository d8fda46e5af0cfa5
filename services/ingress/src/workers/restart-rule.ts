/** A worker that exits sooner than this after its start counts as unable to run. */
const QUICK_MS = 10_000
const QUICK_MAX = 5
const AGAIN_MS = 1_000

/** Decides whether a worker that exited is restarted. */
export class RestartRule {
  /** Consecutive failures of any worker. */
  #quick = 0

  /** The time to wait until the next start in ms. Undefined if the service has failed. */
  ended(livedMs: number): number | undefined {
    this.#quick = livedMs < QUICK_MS ? this.#quick + 1 : 0
    return this.#quick < QUICK_MAX ? this.#quick * AGAIN_MS : undefined
  }
}
