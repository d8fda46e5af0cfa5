/**
 * What one dedup transaction did for one source in one window: the value of a `dedup.stats.v1` record (JSON).
 * Counts are increments and exactly-once, because they are written in the transaction that they describe;
 * the sum over all records of a source is its ledger:
 * received + returned = unique + duplicates + conflicts + deadLettered.
 */
export interface DedupStats {
  readonly source: string
  readonly partition: number
  /** Epoch ms of the window's start on the partition's effective clock: never before that of an earlier record. */
  readonly windowStart: number
  readonly windowMs: number
  /** From the providers. */
  readonly received: number
  /** Dead letters that a replay brought back: approved conflicts and bodies that were fixed. */
  readonly returned: number
  readonly unique: number
  readonly duplicates: number
  readonly conflicts: number
  /** Authentic but malformed, each body once. */
  readonly deadLettered: number
  /** Of `received`, the authentic but malformed ones, repeats included. */
  readonly malformed: number
  /** Of `duplicates`, repeats of malformed ones. */
  readonly malformedRepeats: number
  /** Cumulative for the partition: expired generations since its first record. */
  readonly rotations: number
  /** Keys that the partition holds, of all sources. */
  readonly keysHeld: number
}

export const encodeDedupStats = (stats: DedupStats): Buffer => Buffer.from(JSON.stringify(stats))

const NUMBERS = [
  ...(['windowStart', 'received', 'unique', 'duplicates', 'conflicts', 'deadLettered'] as const),
  ...(['rotations', 'keysHeld'] as const),
] satisfies readonly (keyof DedupStats)[]

/** Throws a `SyntaxError` or `TypeError` when the bytes are not stats. */
export const decodeDedupStats = (value: Buffer): DedupStats => {
  const stats = JSON.parse(value.toString()) as Partial<DedupStats> | null
  if (typeof stats?.source !== 'string' || NUMBERS.some((name) => !Number.isSafeInteger(stats[name]))) {
    throw new TypeError('not a dedup.stats.v1 record')
  }
  // Older versions did not count these apart.
  const { returned = 0, malformed = 0, malformedRepeats = 0 } = stats
  return { ...(stats as DedupStats), returned, malformed, malformedRepeats }
}
