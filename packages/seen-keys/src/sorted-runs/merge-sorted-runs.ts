import { setImmediate as nextTurn } from 'node:timers/promises'
import { basename } from 'node:path'
import { ENTRY_WORDS } from './key-table.ts'
import type { SortedRun } from './sorted-run.ts'
import { BLOCK_BYTES, checkBlock, compareEntries } from './sorted-run-format.ts'
import type { SortedRunWriter } from './sorted-run-writer.ts'

const READ_BLOCKS = 32
/** Longest slice of work, ms, after which the event loop gets its turn. */
const SLICE_MS = 3
const ENTRIES_BETWEEN_LOOKS = 512

/** Reads the entries of a sorted run one after another. */
class SortedRunCursor {
  readonly #run: SortedRun
  readonly #buffer = Buffer.alloc(READ_BLOCKS * BLOCK_BYTES)
  readonly words = new Int32Array(this.#buffer.buffer, this.#buffer.byteOffset, this.#buffer.length / 4)
  /** Position of the current entry in `words`; -1 after the last. */
  at = -1
  #read = 0
  #loaded = 0
  #block = 0
  #entriesLeft = 0

  constructor(run: SortedRun) {
    this.#run = run
    this.#enterBlock()
  }

  next(): void {
    this.#entriesLeft -= 1
    if (this.#entriesLeft > 0) {
      this.at += ENTRY_WORDS
    } else {
      this.#block += 1
      this.#enterBlock()
    }
  }

  #enterBlock(): void {
    if (this.#block === this.#loaded) {
      this.#read += this.#loaded
      this.#loaded = this.#run.readBlocks(this.#read, this.#buffer)
      this.#block = 0
    }
    if (this.#loaded === 0) {
      this.at = -1
      return
    }
    const from = this.#block * BLOCK_BYTES
    const block = this.#buffer.subarray(from, from + BLOCK_BYTES)
    this.#entriesLeft = checkBlock(block, this.#read + this.#block, basename(this.#run.file))
    this.at = from / 4
  }
}

/**
 * Merges the entries of all sorted runs, each key once, in slices of a few milliseconds between which the event loop
 * goes on. `runs` are ordered by age: of equal keys, the oldest wins. Rejects when the signal is aborted, and with a
 * `StoreDamagedError`; the writer is then left unfinished.
 */
export const mergeSortedRuns = async (
  runs: readonly SortedRun[],
  writer: SortedRunWriter,
  signal: AbortSignal,
): Promise<void> => {
  let cursors = runs.map((run) => new SortedRunCursor(run)).filter(({ at }) => at >= 0)
  let sliceEnd = performance.now() + SLICE_MS
  for (let written = 1; cursors.length > 0; written++) {
    let least = cursors[0]!
    for (let i = 1; i < cursors.length; i++) {
      const one = cursors[i]!
      if (compareEntries(one.words, one.at, least.words, least.at) < 0) least = one
    }
    writer.add(least.words, least.at)
    let ended = false
    for (const cursor of cursors) {
      // Advances the cursor with the least key last, because the others are compared with its present key.
      if (cursor === least || compareEntries(cursor.words, cursor.at, least.words, least.at) !== 0) continue
      cursor.next()
      ended ||= cursor.at < 0
    }
    least.next()
    if (ended || least.at < 0) cursors = cursors.filter(({ at }) => at >= 0)
    if (written % ENTRIES_BETWEEN_LOOKS === 0 && performance.now() > sliceEnd) {
      await nextTurn()
      signal.throwIfAborted()
      sliceEnd = performance.now() + SLICE_MS
    }
  }
}
