import { setTimeout as sleep } from 'node:timers/promises'
import { FIRST_KEY, type DeletedRows, type Retention, type RetentionRun } from './retention.ts'

export interface RetentionOptions {
  readonly ageSecs: number
  /** Rows examined per second at most. */
  readonly ratePerSec: number
  /** Stops after the current chunk; a later call continues there. */
  readonly signal?: AbortSignal
  /** From 0 to 1: keys are spread evenly, so the last one says how far the walk is. */
  readonly onProgress?: (share: number) => void
  /** For tests. */
  readonly wait?: (ms: number) => Promise<unknown>
}

export interface RetentionTotals {
  readonly storedBefore: Date
  readonly lookedAt: number
  readonly held: number
  /** By source. */
  readonly deleted: readonly DeletedRows[]
}

const CHUNK_ROWS_MAX = 500
const KEY_BYTES_SHOWN = 6

/** Counts what a run with this age would delete now, and changes nothing. Rejects as `Retention` does. */
export const planRetention = async (
  retention: Retention,
  options: RetentionOptions,
): Promise<RetentionTotals> => {
  const storedBefore = await retention.cutoff(options.ageSecs)
  const deleted = new Map<string, DeletedRows>()
  let [lookedAt, held] = [0, 0]
  let after: Buffer = FIRST_KEY
  await walk(options, async (limit) => {
    const chunk = await retention.count({ after, storedBefore }, limit)
    for (const { source, events, interactions } of chunk.deleted) {
      const before = deleted.get(source)
      deleted.set(source, {
        source,
        events: events + (before?.events ?? 0),
        interactions: interactions + (before?.interactions ?? 0),
      })
    }
    lookedAt += chunk.lookedAt
    held += chunk.held
    after = chunk.lastKey
    options.onProgress?.(chunk.isLast ? 1 : shareOf(after))
    return chunk
  })
  return { storedBefore, lookedAt, held, deleted: [...deleted.values()] }
}

/**
 * Deletes until the run is finished, or stopped: whether it is new or was cut off before makes no difference. Rejects
 * as `Retention` does; a call that is repeated continues.
 */
export const runRetention = async (
  retention: Retention,
  run: RetentionRun,
  options: RetentionOptions,
): Promise<{ readonly isFinished: boolean }> => {
  const isFinished = await walk(options, async (limit) => {
    const chunk = await retention.delete(run.id, limit)
    return chunk ?? { lookedAt: 0, isLast: true }
  })
  return { isFinished }
}

interface Step {
  readonly lookedAt: number
  readonly isLast: boolean
}

/** Chunk after chunk, no faster than the rate. False: it was stopped. */
const walk = async (
  { ratePerSec, signal, wait = sleep }: RetentionOptions,
  step: (limit: number) => Promise<Step>,
): Promise<boolean> => {
  const limit = Math.max(1, Math.min(CHUNK_ROWS_MAX, Math.floor(ratePerSec)))
  for (;;) {
    if (signal?.aborted) return false
    const beganAt = performance.now()
    const { lookedAt, isLast } = await step(limit)
    if (isLast) return true
    const restMs = (1_000 * lookedAt) / ratePerSec - (performance.now() - beganAt)
    if (restMs > 0) await wait(restMs)
  }
}

const shareOf = (key: Buffer): number =>
  key.length < KEY_BYTES_SHOWN ? 0 : key.readUIntBE(0, KEY_BYTES_SHOWN) / 2 ** (8 * KEY_BYTES_SHOWN)
