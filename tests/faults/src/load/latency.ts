/** Of each bucket to the next: quantiles are right within so much. */
const STEP = 1.05
const LOG_STEP = Math.log(STEP)

/** Latencies in buckets of 5%, so that a million of them need no more memory than ten. */
export class Latency {
  readonly #counts: number[] = []
  #total = 0

  add(ms: number): void {
    const bucket = Math.max(0, Math.ceil(Math.log(Math.max(ms, 1)) / LOG_STEP))
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1
    this.#total += 1
  }

  /** ms that this part (0 to 1) did not exceed; 0 when there is none. */
  quantile(part: number): number {
    let left = Math.ceil(this.#total * part)
    for (const [bucket, count = 0] of this.#counts.entries()) {
      left -= count
      if (left <= 0 && this.#total > 0) return Math.round(STEP ** bucket)
    }
    return 0
  }
}
