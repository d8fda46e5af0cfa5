/** Entries `[from, to)` of a table. */
export interface EntryRange {
  readonly from: number
  readonly to: number
}

/** A chunk that may still be merged: where all of its keys are in the table that still grows. */
interface SmallChunk {
  readonly keys: number
  readonly ranges: readonly EntryRange[]
}

export interface MergePlan {
  readonly names: readonly string[]
  readonly ranges: readonly EntryRange[]
}

/** Larger chunks are left alone: their own overhead is below one percent. */
export const SMALL_CHUNK_KEYS = 4_000
/** So many small chunks of one size class are merged into one. */
const MERGE_COUNT = 32

/**
 * The chunks of one bucket in the state topic, in the order of their coming. Merging small ones keeps the topic, and
 * what is known of it here, small at any rate of events: each key is written again at most three times.
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

  /** Keys by chunk. */
  get sizes(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#sizes)
  }

  /** `ranges`: where all of its keys are; undefined when they are not all in the table. A name that comes again takes the place of the first. */
  add(name: string, keys: number, ranges?: readonly EntryRange[]): void {
    this.#sizes.set(name, keys)
    if (ranges !== undefined && keys < SMALL_CHUNK_KEYS) this.#small.set(name, { keys, ranges })
    else this.#small.delete(name)
  }

  remove(name: string): void {
    this.#sizes.delete(name)
    this.#small.delete(name)
  }

  /** Puts all of them in the place of the first, under its name. */
  merge(names: readonly string[]): void {
    const chunks = names.map((name) => this.#small.get(name))
    const keys = names.reduce((sum, name) => sum + (this.#sizes.get(name) ?? 0), 0)
    const isWhole = chunks.every((chunk) => chunk !== undefined)
    const ranges = isWhole ? joinRanges(chunks.flatMap((chunk) => chunk.ranges)) : undefined
    for (const name of names.slice(1)) this.remove(name)
    this.add(names[0]!, keys, ranges)
  }

  /** The table was written away: what it held cannot be merged any more. */
  forgetRanges(): void {
    this.#small.clear()
  }

  /**
   * Chunks to merge into one of at most `keysMax` keys: enough of one size class, or all small ones when the table is
   * about to be written away (`isLast`). undefined: nothing to do.
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
