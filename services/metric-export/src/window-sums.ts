import type { DedupStats } from '@weir/contracts'

/** Absolute values of one source in one window of one partition. */
export interface SourcePoint {
  readonly source: string
  /** Epoch ms. */
  readonly windowStart: number
  /** Valid events; malformed ones count as `rejected`. */
  readonly received: number
  /** Part of `received`. */
  readonly deduplicated: number
  readonly rejected: number
}

/** Totals of the whole partition at the last record of a window. */
export interface PartitionPoint {
  readonly source: undefined
  /** Epoch ms. */
  readonly windowStart: number
  readonly rotations: number
  readonly keysHeld: number
}

export type WindowPoint = SourcePoint | PartitionPoint

export interface StatsRecord {
  readonly offset: bigint
  readonly stats: DedupStats
}

interface Window {
  readonly start: number
  /** Offset of the record that opened the window: the sums follow from the records since then. */
  readonly firstOffset: bigint
  readonly points: ReadonlyMap<string, SourcePoint>
  readonly state: PartitionPoint
}

/**
 * The sums of a partition's windows that may still have to be written: the open window, which is the last, and closed
 * ones that wait for their last write. Records come in the order of their windows, so one window is open at a time.
 */
export class WindowSums {
  readonly #windows: readonly Window[]

  private constructor(windows: readonly Window[]) {
    this.#windows = windows
  }

  static readonly empty = new WindowSums([])

  /** One window with known sums, which continue from an offset. */
  static openedAt(firstOffset: bigint, points: readonly SourcePoint[], state: PartitionPoint): WindowSums {
    const bySource = new Map(points.map((point) => [point.source, point]))
    return new WindowSums([{ start: state.windowStart, firstOffset, points: bySource, state }])
  }

  /** Offset from which the records give these sums again; undefined when there are none. */
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
    return this.#windows.reduce((sum, { points }) => sum + points.size + 1, 0)
  }

  pointsOf(start: number): readonly WindowPoint[] {
    const window = this.#windows.find((one) => one.start === start)
    return window === undefined ? [] : [...window.points.values(), window.state]
  }

  /** The sums of the oldest window. */
  get firstPoints(): { readonly points: readonly SourcePoint[]; readonly state: PartitionPoint } | undefined {
    const [window] = this.#windows
    return window && { points: [...window.points.values()], state: window.state }
  }

  /** Removes the closed windows that `isKept` refuses. */
  keep(isKept: (start: number) => boolean): WindowSums {
    const open = this.openStart
    return new WindowSums(this.#windows.filter(({ start }) => start === open || isKept(start)))
  }

  /** Returns the sums after more records, and every point that they changed, including that of the open window. */
  add(records: readonly StatsRecord[]): {
    readonly sums: WindowSums
    readonly changed: readonly WindowPoint[]
  } {
    const windows = [...this.#windows]
    let open = windows.pop()
    let points = new Map(open?.points)
    const changed = new Map<string, WindowPoint>()
    for (const { offset, stats } of records) {
      const { source, windowStart, rotations, keysHeld } = stats
      // After a start with longer windows, a record may be dated before the open window, where a point exists already.
      // Replacing that point would lose its counts, so only a later window is opened.
      const isLater = open === undefined || windowStart > open.start
      if (open !== undefined && isLater) windows.push({ ...open, points })
      if (isLater) points = new Map()
      const start: number = isLater ? windowStart : open!.start
      const state = { source: undefined, windowStart: start, rotations, keysHeld }
      open = { start, firstOffset: isLater ? offset : open!.firstOffset, points, state }
      const before = points.get(source)
      const point: SourcePoint = {
        source,
        windowStart: start,
        received: (before?.received ?? 0) + stats.received - stats.malformed,
        deduplicated: (before?.deduplicated ?? 0) + stats.duplicates - stats.malformedRepeats,
        rejected: (before?.rejected ?? 0) + stats.malformed,
      }
      points.set(source, point)
      changed.set(`${start}|${source}`, point)
      changed.set(`${start}`, state)
    }
    if (open !== undefined) windows.push({ ...open, points })
    return { sums: new WindowSums(windows), changed: [...changed.values()] }
  }
}
