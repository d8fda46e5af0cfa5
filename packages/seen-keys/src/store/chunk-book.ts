/** Entries `[from, to)` of a table. */
export interface EntryRange {
  readonly from: number
  readonly to: number
}

/** A chunk that may still be merged, with the positions of its keys in the table that still grows. */
interface SmallChunk {
  readonly keys: number
  readonly ranges: readonly EntryRange[]
}

export interface MergePlan {
  readonly names: readonly string[]
  readonly ranges: readonly EntryRange[]
}

/** Larger chunks are not merged: their overhead is below one percent. */
export const SMALL_CHUNK_KEYS = 4_000
/** Number of small chunks of one size class that are merged into one. */
const MERGE_COUNT = 32

/**
 * The chunks of one bucket in the changelog, in the order of their arrival. Merging small ones keeps the topic, and
 * this book, small at any rate of events. Each key is rewritten at most three times.
 */
export class ChunkBook {
  readonly #sizes = new Map<string, number>()
  readonly #small = new Map<string, SmallChunk>()

  get names(): readonly string[] {
    return [...this.#sizes.keys()]
  }

  get count(): number {
    return this.#sizes.size
  }

  /** Number of keys by chunk. */
  get sizes(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#sizes)
  }

  /**
   * `ranges`: where all of the chunk's keys are; undefined when some are not in the table. A chunk with a known name
   * replaces the old one.
   */
  add(name: string, keys: number, ranges?: readonly EntryRange[]): void {
    this.#sizes.set(name, keys)
    if (ranges !== undefined && keys < SMALL_CHUNK_KEYS) this.#small.set(name, { keys, ranges })
    else this.#small.delete(name)
  }

  remove(name: string): void {
    this.#sizes.delete(name)
    this.#small.delete(name)
  }

  /** Replaces the chunks by one with the name and place of the first. */
  merge(names: readonly string[]): void {
    const chunks = names.map((name) => this.#small.get(name))
    const keys = names.reduce((sum, name) => sum + (this.#sizes.get(name) ?? 0), 0)
    const isWhole = chunks.every((chunk) => chunk !== undefined)
    const ranges = isWhole ? joinRanges(chunks.flatMap((chunk) => chunk.ranges)) : undefined
    for (const name of names.slice(1)) this.remove(name)
    this.add(names[0]!, keys, ranges)
  }

  /** The table was written to a sorted run, so its chunks cannot be merged any more. */
  forgetRanges(): void {
    this.#small.clear()
  }

  /**
   * Chunks to merge into one of at most `keysMax` keys: enough of one size class, or all small ones when the table is
   * about to be written (`isLast`). undefined: nothing to do.
   */
  plan(keysMax: number, isLast: boolean): MergePlan | undefined {
    if (this.#small.size < 2) return undefined
    const all = [...this.#small]
    const groups = isLast
      ? [all]
      : Map.groupBy(all, ([, { keys }]) => Math.floor(Math.log(keys) / Math.log(MERGE_COUNT))).values()
    for (const group of groups) {
      if (!isLast && group.length < MERGE_COUNT) continue
      const names: string[] = []
      const ranges: EntryRange[] = []
      let sum = 0
      for (const [name, chunk] of group) {
        if (sum + chunk.keys > keysMax) break
        sum += chunk.keys
        names.push(name)
        ranges.push(...chunk.ranges)
      }
      if (names.length > 1) return { names, ranges }
    }
    return undefined
  }
}

const joinRanges = (ranges: readonly EntryRange[]): readonly EntryRange[] => {
  const joined: EntryRange[] = []
  for (const range of ranges) {
    const last = joined.at(-1)
    if (last?.to === range.from) joined[joined.length - 1] = { from: last.from, to: range.to }
    else joined.push(range)
  }
  return joined
}
