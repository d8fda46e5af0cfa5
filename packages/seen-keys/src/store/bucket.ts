/** A span of effective time whose keys expire together. Named by start and length, so that settings may change between starts. */
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

/** A key of the bucket is held for at least the window, whenever in the bucket it came. */
export const isExpired = ({ start, lengthMs }: Bucket, effectiveTime: number, windowMs: number): boolean =>
  effectiveTime >= start + lengthMs + windowMs

export const bucketName = ({ start, lengthMs }: Bucket): string => `${start}|${lengthMs}`

export const parseBucket = (name: string): Bucket => {
  const [start, lengthMs] = name.split('|').map(Number)
  return { start: start!, lengthMs: lengthMs! }
}

/** Never back, never ahead of this machine's clock: one wrong clock can only delay expiry. */
export const advanceTime = (previous: number, recordTime: number, now: number): number =>
  Math.max(previous, Math.min(recordTime, now))
