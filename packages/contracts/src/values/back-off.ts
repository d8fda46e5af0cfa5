export interface BackOff {
  /** Wait after the first failure, ms. */
  readonly firstMs: number
  readonly maxMs: number
}

/** How long to wait after the `failures`th failure in a row (from 1), ms: doubles each time, up to `maxMs`. */
export const backOffMs = (failures: number, { firstMs, maxMs }: BackOff): number =>
  Math.min(maxMs, firstMs * 2 ** (failures - 1))

/** Half of a wait and a random part of its other half, so that clients that failed together do not retry together. */
export const jittered = (ms: number, random: number): number => ms * (0.5 + random / 2)
