/**
 * A span of effective time whose keys expire together. Start and length name it, so that settings may change between
 * starts.
 */
export interface Bucket {
  /** Epoch ms. */
  readonly start: number
  readonly lengthMs: number
}

export const BUCKETS_PER_WINDOW = 24

export const bucketOf = (effectiveTime: number, windowMs: number): Bucket => {
  const lengthMs = Math.ceil(windowMs / BUCKETS_PER_WINDOW)
  return { start: Math.floor(effectiveTime / lengthMs) * lengthMs, lengthMs }
}

/** A key is held for at least the window, wherever in its bucket it came. */
export const isExpired = ({ start, lengthMs }: Bucket, effectiveTime: number, windowMs: number): boolean =>
  effectiveTime >= start + lengthMs + windowMs

export const bucketName = ({ start, lengthMs }: Bucket): string => `${start}|${lengthMs}`

export const parseBucket = (name: string): Bucket => {
  const [start, lengthMs] = name.split('|').map(Number)
  return { start: start!, lengthMs: lengthMs! }
}

/** Never goes back and never runs ahead of this machine's clock, so one wrong clock can only delay expiry. */
export const advanceTime = (previous: number, recordTime: number, now: number): number =>
  Math.max(previous, Math.min(recordTime, now))
