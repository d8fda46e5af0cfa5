import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { open as openAsync } from 'node:fs/promises'
import { basename } from 'node:path'
import { crc32 } from 'node:zlib'
import { StoreDamagedError } from './damage.ts'
import { KeyFilter } from './key-filter.ts'
import type { KeyProbe } from './key-hashing.ts'
import { BODY_HASH_OFFSET, ENTRY_BYTES, ENTRY_WORDS } from './key-table.ts'
import {
  BLOCK_BYTES,
  checkBlock,
  decodeFooter,
  FOOTER_BYTES,
  indexBytes,
  type SortedRunFooter,
} from './sorted-run-format.ts'
import type { StoreMemory } from './store-memory.ts'

/** One buffer for all reads, because only one block is examined at a time. */
const block = Buffer.alloc(BLOCK_BYTES)
const blockWords = new Int32Array(block.buffer, block.byteOffset, BLOCK_BYTES / 4)

/**
 * An open sorted run. Its index and, if the memory allows, its filter are in memory; keys are read from disk on
 * demand.
 */
export class SortedRun {
  readonly file: string
  /** Identifies the sorted run. */
  readonly crc: number
  readonly keys: number
  readonly blocks: number
  readonly #fd: number
  readonly #index: Int32Array
  readonly #memory: StoreMemory
  #filter: KeyFilter | undefined
  #isOpen = true

  /**
   * Takes ownership of `fd`, which must be open for reading. The filter is not kept when `memory` has no room for it.
   */
  constructor(parts: {
    readonly file: string
    readonly fd: number
    readonly footer: SortedRunFooter
    readonly index: Int32Array
    readonly filter: KeyFilter | undefined
    readonly memory: StoreMemory
  }) {
    const { file, fd, footer, index, filter, memory } = parts
    this.file = file
    this.crc = footer.crc
    this.keys = footer.keys
    this.blocks = footer.blocks
    this.#fd = fd
    this.#index = index
    this.#memory = memory
    this.#filter = filter !== undefined && memory.take(filter.bytes.length) ? filter : undefined
  }

  /** Throws a `StoreDamagedError`, also when the file does not exist. */
  static async open(file: string, memory: StoreMemory): Promise<SortedRun> {
    const name = basename(file)
    let fd: number
    try {
      fd = openSync(file, 'r')
    } catch (error) {
      throw new StoreDamagedError(`${name} is missing`, { cause: error })
    }
    try {
      const { size } = fstatSync(fd)
      const footer = decodeFooter(readAt(fd, Math.max(0, size - FOOTER_BYTES), FOOTER_BYTES, name), name)
      const indexAt = footer.blocks * BLOCK_BYTES
      const filterAt = indexAt + indexBytes(footer.blocks)
      const filterLength = size - FOOTER_BYTES - filterAt
      if (filterLength !== Math.ceil(footer.filterSize / 8))
        throw new StoreDamagedError(`${name} has the wrong size`)
      const indexPart = readAt(fd, indexAt, indexBytes(footer.blocks), name)
      if (crc32(indexPart) !== footer.indexCrc) throw new StoreDamagedError(`the index of ${name} is damaged`)
      const index = new Int32Array(indexPart.buffer, indexPart.byteOffset, footer.blocks)
      if (!memory.hasRoom(filterLength))
        return new SortedRun({ file, fd, footer, index, filter: undefined, memory })
      const bits = await readLater(file, filterAt, filterLength)
      if (crc32(bits) !== footer.filterCrc) throw new StoreDamagedError(`the filter of ${name} is damaged`)
      const filter = KeyFilter.load(footer.filterSize, footer.filterHashes, bits)
      return new SortedRun({ file, fd, footer, index, filter, memory })
    } catch (error) {
      closeSync(fd)
      throw error
    }
  }

  /** 0 when no filter is held; then every lookup reads the disk. */
  get filterByteCount(): number {
    return this.#filter?.bytes.length ?? 0
  }

  mayHave(probe: KeyProbe): boolean {
    return this.#filter === undefined || this.#filter.mayHave(probe)
  }

  /**
   * A copy of the body hash that is stored with the key; undefined when the sorted run lacks the key. Throws a
   * `StoreDamagedError`.
   */
  find(probe: KeyProbe): Buffer | undefined {
    // Keys with the same first word may lie in two blocks.
    for (let number = this.#lastBlockBefore(probe.w0); number < this.blocks; number++) {
      if (this.#index[number]! > probe.w0) return undefined
      const entry = this.#findIn(number, probe)
      if (entry >= 0) {
        const at = entry * ENTRY_BYTES
        return Buffer.from(block.subarray(at + BODY_HASH_OFFSET, at + ENTRY_BYTES))
      }
    }
    return undefined
  }

  /** Reads blocks from number `from` into `target`, as many as fit, unchecked. Returns how many. */
  readBlocks(from: number, target: Buffer): number {
    const count = Math.min(target.length / BLOCK_BYTES, this.blocks - from)
    readInto(this.#fd, from * BLOCK_BYTES, target.subarray(0, count * BLOCK_BYTES), basename(this.file))
    return count
  }

  /** Releases the filter's memory. The sorted run can still be read. */
  dropFilter(): void {
    this.#memory.give(this.filterByteCount)
    this.#filter = undefined
  }

  close(): void {
    this.dropFilter()
    if (this.#isOpen) closeSync(this.#fd)
    this.#isOpen = false
  }

  /** The last block whose first word is below `word`, or the first block. */
  #lastBlockBefore(word: number): number {
    let low = 0
    let high = this.blocks
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      if (this.#index[middle]! < word) low = middle
      else high = middle
    }
    return low
  }

  #findIn(number: number, { w0, w1, w2, w3 }: KeyProbe): number {
    const name = basename(this.file)
    readInto(this.#fd, number * BLOCK_BYTES, block, name)
    const count = checkBlock(block, number, name)
    let low = 0
    let high = count
    while (low < high) {
      const middle = (low + high) >>> 1
      const at = middle * ENTRY_WORDS
      const order =
        blockWords[at]! - w0 ||
        blockWords[at + 1]! - w1 ||
        blockWords[at + 2]! - w2 ||
        blockWords[at + 3]! - w3
      if (order === 0) return middle
      if (order < 0) low = middle + 1
      else high = middle
    }
    return -1
  }
}

const readInto = (fd: number, position: number, target: Buffer, name: string): void => {
  for (let at = 0; at < target.length;) {
    const read = readSync(fd, target, at, target.length - at, position + at)
    if (read === 0) throw new StoreDamagedError(`${name} is too short`)
    at += read
  }
}

const readAt = (fd: number, position: number, length: number, name: string): Buffer => {
  const target = Buffer.alloc(length)
  readInto(fd, position, target, name)
  return target
}

/** Reads in slices, because filters are large and must not block the event loop. */
const readLater = async (file: string, position: number, length: number): Promise<Buffer> => {
  const target = Buffer.allocUnsafeSlow(length)
  const handle = await openAsync(file, 'r')
  try {
    for (let at = 0; at < length;) {
      const { bytesRead } = await handle.read(target, at, length - at, position + at)
      if (bytesRead === 0) throw new StoreDamagedError(`${basename(file)} is too short`)
      at += bytesRead
    }
  } finally {
    await handle.close()
  }
  return target
}
