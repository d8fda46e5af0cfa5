import { closeSync, openSync, writeSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import { KeyFilter } from './key-filter.ts'
import { KeyProbe, type KeyHashing } from './key-hashing.ts'
import { ENTRY_WORDS } from './key-table.ts'
import { SortedRun } from './sorted-run.ts'
import {
  BLOCK_BYTES,
  BLOCK_ENTRIES,
  decodeFooter,
  encodeFooter,
  indexBytes,
  sealBlock,
} from './sorted-run-format.ts'
import type { StoreMemory } from './store-memory.ts'

const BUFFER_BLOCKS = 64

/** Writes one sorted run: add entries in order and without repeats, then call `finish`. */
export class SortedRunWriter {
  readonly #file: string
  readonly #fd: number
  readonly #probe: KeyProbe
  readonly #filter: KeyFilter
  readonly #index: number[] = []
  readonly #buffer = Buffer.alloc(BUFFER_BLOCKS * BLOCK_BYTES)
  readonly #words = new Int32Array(
    this.#buffer.buffer,
    this.#buffer.byteOffset,
    this.#buffer.length / Int32Array.BYTES_PER_ELEMENT,
  )
  #block = 0
  #entries = 0
  #keys = 0
  #isOpen = true

  /** `keysMax`: number of keys that the filter is sized for. */
  constructor(file: string, hashing: KeyHashing, keysMax: number, errorRate: number) {
    this.#probe = new KeyProbe(hashing)
    this.#filter = KeyFilter.create(keysMax, errorRate)
    this.#file = file
    this.#fd = openSync(file, 'wx+', 0o600)
  }

  get keys(): number {
    return this.#keys
  }

  add(words: Int32Array, at: number): void {
    const to = this.#block * (BLOCK_BYTES / 4) + this.#entries * ENTRY_WORDS
    for (let i = 0; i < ENTRY_WORDS; i++) this.#words[to + i] = words[at + i]!
    if (this.#entries === 0) this.#index.push(words[at]!)
    this.#filter.add(this.#probe.setWords(words, at))
    this.#keys += 1
    this.#entries += 1
    if (this.#entries === BLOCK_ENTRIES) this.#endBlock()
  }

  /** Writes the rest and opens the sorted run. Its file is not yet safe from a power cut. */
  finish(memory: StoreMemory): SortedRun {
    if (this.#entries > 0) this.#endBlock()
    this.#flush()
    const blocks = this.#index.length
    const indexPart = Buffer.alloc(indexBytes(blocks))
    const index = new Int32Array(indexPart.buffer, indexPart.byteOffset, blocks)
    index.set(this.#index)
    const filter = this.#filter
    const footerPart = encodeFooter({
      keys: this.#keys,
      blocks,
      filterSize: filter.size,
      filterHashes: filter.hashes,
      indexCrc: crc32(indexPart),
      filterCrc: crc32(filter.bytes),
    })
    this.#write(indexPart)
    this.#write(filter.bytes)
    this.#write(footerPart)
    this.#isOpen = false
    const footer = decodeFooter(footerPart, this.#file)
    return new SortedRun({ file: this.#file, fd: this.#fd, footer, index, filter, memory })
  }

  /** Without a preceding `finish` it leaves a file that is no valid sorted run. */
  close(): void {
    if (this.#isOpen) closeSync(this.#fd)
    this.#isOpen = false
  }

  #endBlock(): void {
    const from = this.#block * BLOCK_BYTES
    sealBlock(this.#buffer.subarray(from, from + BLOCK_BYTES), this.#index.length - 1, this.#entries)
    this.#entries = 0
    this.#block += 1
    if (this.#block === BUFFER_BLOCKS) this.#flush()
  }

  #flush(): void {
    this.#write(this.#buffer.subarray(0, this.#block * BLOCK_BYTES))
    this.#block = 0
  }

  #write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) at += writeSync(this.#fd, bytes, at)
  }
}
