import { setTimeout as sleep } from 'node:timers/promises'
import { KNOWN_MS, type KnownFields } from '@weir/row-sink'
import type { RowFiller } from './postgres/row-filler.ts'

export interface BackfillOptions {
  readonly source: string
  /** Only counts the rows that would be filled. */
  readonly isDryRun: boolean
  /** Rows examined per second at most, of any source. */
  readonly ratePerSec: number
  readonly onProgress?: (progress: BackfillProgress) => void
  /** Stops after the current chunk; a later call continues there. */
  readonly signal?: AbortSignal
  /** For tests. */
  readonly now?: () => number
  readonly wait?: (ms: number) => Promise<unknown>
}

export interface BackfillProgress {
  /** From 0 to 1, by the position of the last key, because keys are distributed evenly. */
  readonly share: number
  readonly lookedAt: number
  readonly filled: number
}

export type Backfilled =
  | { readonly kind: 'done' | 'stopped'; readonly lookedAt: number; readonly filled: number }
  /** Another job of this source is running. */
  | { readonly kind: 'busy' }
  /** No shape of this source is known, so there is nothing to fill. */
  | { readonly kind: 'unknown' }

const CHUNK_ROWS_MAX = 500
const START = Buffer.alloc(0)
/** Bound for shapes that keep growing; the next call fills the rest. */
const WALKS_MAX = 5

type Known = Pick<KnownFields, 'gaps' | 'refresh' | 'newestAt'>
type Filler = Pick<RowFiller, 'alone' | 'fillChunk' | 'fillRecent' | 'forget' | 'position'>

/**
 * Adds the shape number, and a null for each field that became known later, to the rows of one source. It walks over
 * all rows by key, and then fills the rows that instances wrote meanwhile without knowing every field. Rejects as
 * `RowFiller` and `KnownFields` do; a repeated call resumes.
 */
export const backfill = async (
  known: Known,
  filler: Filler,
  options: BackfillOptions,
): Promise<Backfilled> => {
  await known.refresh()
  if (gapsOf(known, options).length === 0) return { kind: 'unknown' }
  const { source, isDryRun } = options
  if (isDryRun) return new Walk(known, filler, options).run()
  return (await filler.alone(source, () => fillAll(known, filler, options))) ?? { kind: 'busy' }
}

const gapsOf = (known: Known, { source }: BackfillOptions) => known.gaps((shape) => shape.source === source)

const fillAll = async (known: Known, filler: Filler, options: BackfillOptions): Promise<Backfilled> => {
  const { source, now = Date.now, wait = sleep } = options
  const beganAt = now()
  const total = { lookedAt: 0, filled: 0 }
  for (let walks = 1; ; walks++) {
    const newest = known.newestAt(source)
    const walked = await new Walk(known, filler, options).run()
    total.lookedAt += walked.lookedAt
    total.filled += walked.filled
    if (walked.kind === 'stopped') return { kind: 'stopped', ...total }
    // Until then an instance may still write rows without the newest field.
    const waitMs = known.newestAt(source) + KNOWN_MS - now()
    if (waitMs > 0) await wait(Math.min(waitMs, KNOWN_MS))
    await known.refresh()
    if (known.newestAt(source) === newest || walks === WALKS_MAX) break
  }
  total.filled += await filler.fillRecent(gapsOf(known, options), now() - beganAt + KNOWN_MS)
  await filler.forget(source)
  return { kind: 'done', ...total }
}

/** One walk over all rows. */
class Walk {
  readonly #known: Known
  readonly #filler: Filler
  readonly #options: BackfillOptions

  constructor(known: Known, filler: Filler, options: BackfillOptions) {
    this.#known = known
    this.#filler = filler
    this.#options = options
  }

  async run(): Promise<{
    readonly kind: 'done' | 'stopped'
    readonly lookedAt: number
    readonly filled: number
  }> {
    const { source, isDryRun, ratePerSec, signal, onProgress, now = Date.now, wait = sleep } = this.#options
    const gaps = gapsOf(this.#known, this.#options)
    const rows = Math.max(1, Math.min(CHUNK_ROWS_MAX, Math.floor(ratePerSec)))
    const before = isDryRun ? undefined : await this.#filler.position(source, gaps)
    let { afterKey, lookedAt, filled } = before ?? { afterKey: START, lookedAt: 0, filled: 0 }
    for (;;) {
      if (signal?.aborted) return { kind: 'stopped', lookedAt, filled }
      const beganAt = now()
      const chunk = await this.#filler.fillChunk(source, gaps, afterKey, { rows, isDryRun })
      lookedAt += chunk.lookedAt
      filled += chunk.filled
      const isLast = chunk.lastKey === undefined || chunk.lookedAt < rows
      onProgress?.({ share: isLast ? 1 : shareOf(chunk.lastKey), lookedAt, filled })
      if (isLast) return { kind: 'done', lookedAt, filled }
      afterKey = chunk.lastKey!
      const restMs = (1_000 * chunk.lookedAt) / ratePerSec - (now() - beganAt)
      if (restMs > 0) await wait(restMs)
    }
  }
}

/** Keys are hashes. */
const shareOf = (key: Buffer): number => key.readUIntBE(0, 6) / 2 ** 48
