/** A worker that ends sooner after its start counts as one that cannot run. */
const QUICK_MS = 10_000
const QUICK_MAX = 5
const AGAIN_MS = 1_000

/** When a worker that has ended is started again, and when no more. */
export class RestartRule {
  /** In a row, of whichever worker. */
  #quick = 0

  /** How long to wait until the next start, ms; undefined: the service has failed. */
  ended(livedMs: number): number | undefined {
    this.#quick = livedMs < QUICK_MS ? this.#quick + 1 : 0
    return this.#quick < QUICK_MAX ? this.#quick * AGAIN_MS : undefined
  }
}
