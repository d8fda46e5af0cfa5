/**
 * What one dedup transaction did for one source in one window: the value of a `dedup.stats.v1` record (JSON).
 * Counts are increments. They are exactly-once, because they are written in the transaction that they describe.
 * The sums over all records of a source are its ledger:
 * received + returned = unique + duplicates + conflicts + deadLettered.
 */
export interface DedupStats {
  readonly source: string
  readonly partition: number
  /** Start of the window, epoch ms in the partition's stream time. Never earlier than in a previous record. */
  readonly windowStart: number
  readonly windowMs: number
  /** Webhooks from providers. */
  readonly received: number
  /** Dead letters that a replay returned: approved conflicts and repaired bodies. */
  readonly returned: number
  readonly unique: number
  readonly duplicates: number
  readonly conflicts: number
  /** Authentic but malformed bodies, each counted once. */
  readonly deadLettered: number
  /** The part of `received` that was authentic but malformed, repeats included. */
  readonly malformed: number
  /** The part of `duplicates` that repeated a malformed body. */
  readonly malformedRepeats: number
  /** Expired generations of the partition since its first record. */
  readonly rotations: number
  /** Keys that the partition holds for all sources. */
  readonly keysHeld: number
}

export const encodeDedupStats = (stats: DedupStats): Buffer => Buffer.from(JSON.stringify(stats))

const NUMBERS = [
  ...(['windowStart', 'received', 'unique', 'duplicates', 'conflicts', 'deadLettered'] as const),
  ...(['rotations', 'keysHeld'] as const),
] satisfies readonly (keyof DedupStats)[]

/** Throws a `SyntaxError` or a `TypeError` if the bytes are not stats. */
export const decodeDedupStats = (value: Buffer): DedupStats => {
  const stats = JSON.parse(value.toString()) as Partial<DedupStats> | null
  if (typeof stats?.source !== 'string' || NUMBERS.some((name) => !Number.isSafeInteger(stats[name]))) {
    throw new TypeError('not a dedup.stats.v1 record')
  }
  // Older versions did not count these separately.
  const { returned = 0, malformed = 0, malformedRepeats = 0 } = stats
  return { ...(stats as DedupStats), returned, malformed, malformedRepeats }
}
