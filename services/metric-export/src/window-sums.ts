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

type Stored = readonly [
  source: string,
  received: number,
  deduplicated: number,
  rotations: number,
  keysHeld: number,
]

/**
 * The sums of a partition's open window. Records come in the order of their windows, so one window is open at a
 * time. It travels with the committed offset: what is read again after a crash is added to the same sums again.
 */
export class WindowSums {
  readonly #windowStart: number
  readonly #points: ReadonlyMap<string, WindowPoint>

  private constructor(windowStart: number, points: ReadonlyMap<string, WindowPoint>) {
    this.#windowStart = windowStart
    this.#points = points
  }

  static readonly empty = new WindowSums(0, new Map())

  /** From the metadata of a committed offset; throws a `SyntaxError` when they are something else. */
  static decode(metadata: string): WindowSums {
    if (metadata === '') return WindowSums.empty
    const [windowStart, stored] = JSON.parse(metadata) as [number, Stored[]]
    const points = stored.map(([source, received, deduplicated, rotations, keysHeld]) => ({
      ...{ source, windowStart, received, deduplicated, rotations, keysHeld },
    }))
    return new WindowSums(windowStart, new Map(points.map((point) => [point.source, point])))
  }

  encode(): string {
    const stored = [...this.#points.values()].map(
      ({ source, received, deduplicated, rotations, keysHeld }): Stored => [
        ...([source, received, deduplicated, rotations, keysHeld] as const),
      ],
    )
    return JSON.stringify([this.#windowStart, stored])
  }

  /** The sums after some more records, and every point that they changed, the open window's included. */
  add(records: readonly DedupStats[]): {
    readonly sums: WindowSums
    readonly changed: readonly WindowPoint[]
  } {
    let windowStart = this.#windowStart
    let points = new Map(this.#points)
    const changed = new Map<string, WindowPoint>()
    for (const stats of records) {
      // After a start with longer windows a record may be dated before the open window, where there is a point
      // already: replacing that would lose its counts, so only a later window is opened.
      if (stats.windowStart > windowStart) {
        windowStart = stats.windowStart
        points = new Map()
      }
      const before = points.get(stats.source)
      const point: WindowPoint = {
        source: stats.source,
        windowStart,
        received: (before?.received ?? 0) + stats.received,
        deduplicated: (before?.deduplicated ?? 0) + stats.duplicates,
        rotations: stats.rotations,
        keysHeld: stats.keysHeld,
      }
      points.set(stats.source, point)
      changed.set(`${windowStart}|${stats.source}`, point)
    }
    return { sums: new WindowSums(windowStart, points), changed: [...changed.values()] }
  }
}
