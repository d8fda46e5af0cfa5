import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '@weir/runtime'
import { KNOWN_MS, type Growth, type KnownFields, type ShapeGaps } from './known-fields.ts'

/** Completes stored rows with what became known after them. */
export interface GapFiller {
  /** Completes the rows that were stored in the last `ms`; returns how many lacked something. May be repeated. */
  fillRecent(gaps: readonly ShapeGaps[], ms: number): Promise<number>
  close(): Promise<void>
}

/** Age limit of the rows, ms. `weir backfill` fills older ones. */
const REACH_MS = 600_000
const RETRY_MS = 5_000

/**
 * Fills rows that were written after a new field appeared and before every instance knew it. It runs concurrently with
 * the writes, which never wait for it. `weir backfill` fills the rows that it misses.
 */
export class GapFilling {
  readonly #known: Pick<KnownFields, 'gaps'>
  readonly #filler: Pick<GapFiller, 'fillRecent'>
  readonly #logger: Logger
  readonly #retryMs: number
  readonly #stopped = new AbortController()
  #wanted: Growth | undefined
  #running: Promise<void> | undefined

  constructor(
    known: Pick<KnownFields, 'gaps'>,
    filler: Pick<GapFiller, 'fillRecent'>,
    logger: Logger,
    retryMs = RETRY_MS,
  ) {
    this.#known = known
    this.#filler = filler
    this.#logger = logger
    this.#retryMs = retryMs
  }

  grown(growth: Growth): void {
    this.#want(growth)
    this.#running ??= this.#run()
  }

  #want({ types, since }: Growth): void {
    this.#wanted = {
      types: new Set([...types, ...(this.#wanted?.types ?? [])]),
      since: Math.min(since, this.#wanted?.since ?? Infinity),
    }
  }

  async close(): Promise<void> {
    this.#stopped.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    try {
      await this.#fillWanted()
    } finally {
      this.#running = undefined
    }
  }

  async #fillWanted(): Promise<void> {
    const { signal } = this.#stopped
    for (let wanted = this.#wanted; wanted !== undefined && !signal.aborted; wanted = this.#wanted) {
      this.#wanted = undefined
      const { types, since } = wanted
      // The margin covers the difference between the clocks of the brokers and the database.
      const ms = Math.min(REACH_MS, Math.max(0, Date.now() - since) + KNOWN_MS)
      try {
        const rows = await this.#filler.fillRecent(
          this.#known.gaps(({ type }) => types.has(type)),
          ms,
        )
        if (rows > 0) this.#logger.info({ rows }, 'recent rows were filled with new fields')
      } catch (error) {
        this.#want(wanted)
        this.#logger.warn({ error: (error as Error).message }, 'recent rows could not be filled; retrying')
        await sleep(this.#retryMs, undefined, { signal }).catch(() => undefined)
      }
    }
  }
}
