import type { DedupStats } from '@weir/contracts'

/** Absolute values of one source in one window of one partition. */
export interface WindowPoint {
  readonly source: string
  /** Epoch ms. */
  readonly windowStart: number
  readonly received: number
  readonly deduplicated: number
  readonly rotations: number
  readonly keysHeld: number
}

export interface StatsRecord {
  readonly offset: bigint
  readonly stats: DedupStats
}

interface Window {
  readonly start: number
  /** Of the record that opened it: the sums follow from the records since then. */
  readonly firstOffset: bigint
  readonly points: ReadonlyMap<string, WindowPoint>
}

/**
 * The sums of a partition's windows that may still have to be written: the open one, which is the last, and closed ones
 * that wait for their last write. Records come in the order of their windows, so one window is open at a time.
 */
export class WindowSums {
  readonly #windows: readonly Window[]

  private constructor(windows: readonly Window[]) {
    this.#windows = windows
  }

  static readonly empty = new WindowSums([])

  /** One window whose sums are known, and go on from an offset. */
  static openedAt(firstOffset: bigint, start: number, points: readonly WindowPoint[]): WindowSums {
    return new WindowSums([
      { start, firstOffset, points: new Map(points.map((point) => [point.source, point])) },
    ])
  }

  /** From where the records give these sums again; undefined when there are none. */
  get firstOffset(): bigint | undefined {
    return this.#windows[0]?.firstOffset
  }

  /** Start of the open window. */
  get openStart(): number | undefined {
    return this.#windows.at(-1)?.start
  }

  /** Starts of all windows, oldest first. */
  get starts(): readonly number[] {
    return this.#windows.map(({ start }) => start)
  }

  get pointCount(): number {
    return this.#windows.reduce((sum, { points }) => sum + points.size, 0)
  }

  pointsOf(start: number): readonly WindowPoint[] {
    return [...(this.#windows.find((window) => window.start === start)?.points.values() ?? [])]
  }

  /** Without the closed windows that `isKept` refuses. */
  keep(isKept: (start: number) => boolean): WindowSums {
    const open = this.openStart
    return new WindowSums(this.#windows.filter(({ start }) => start === open || isKept(start)))
  }

  /** The sums after some more records, and every point that they changed, the open window's included. */
  add(records: readonly StatsRecord[]): {
    readonly sums: WindowSums
    readonly changed: readonly WindowPoint[]
  } {
    const windows = [...this.#windows]
    let open = windows.pop()
    let points = new Map(open?.points)
    const changed = new Map<string, WindowPoint>()
    for (const { offset, stats } of records) {
      // After a start with longer windows a record may be dated before the open window, where there is a point
      // already: replacing that would lose its counts, so only a later window is opened.
      if (open === undefined || stats.windowStart > open.start) {
        if (open !== undefined) windows.push({ ...open, points })
        points = new Map()
        open = { start: stats.windowStart, firstOffset: offset, points }
      }
      const before = points.get(stats.source)
      const point: WindowPoint = {
        source: stats.source,
        windowStart: open.start,
        received: (before?.received ?? 0) + stats.received,
        deduplicated: (before?.deduplicated ?? 0) + stats.duplicates,
        rotations: stats.rotations,
        keysHeld: stats.keysHeld,
      }
      points.set(stats.source, point)
      changed.set(`${open.start}|${stats.source}`, point)
    }
    if (open !== undefined) windows.push({ ...open, points })
    return { sums: new WindowSums(windows), changed: [...changed.values()] }
  }
}
