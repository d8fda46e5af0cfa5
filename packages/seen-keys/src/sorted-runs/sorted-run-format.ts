import { crc32 } from 'node:zlib'
import { StoreDamagedError } from './damage.ts'
import { ENTRY_BYTES, ENTRY_WORDS } from './key-table.ts'

/**
 * A sorted run is an immutable file of keys: sorted entries in blocks, then the first word of each block, then the
 * Bloom filter, then a footer. Every part has a CRC-32, which is checked whenever the part is read.
 *
 *   block   170 entries of 24 bytes, count (uint32), zeros, CRC-32 of its number and everything before; 4,096 bytes
 *   index   the first word of the first key of each block (int32), padded to 4,096
 *   filter  its bits
 *   footer  magic, format, keys, blocks, filter size and hashes, CRCs of index and filter, CRC-32 of everything before
 *
 * Keys are ordered by their four words as signed little-endian integers. Numbers are little-endian.
 */
export const BLOCK_BYTES = 4_096
export const BLOCK_ENTRIES = 170
export const FOOTER_BYTES = 64

const ENTRIES_BYTES = BLOCK_ENTRIES * ENTRY_BYTES
const CRC_AT = BLOCK_BYTES - 4
/** 2^21: together with a word of 32 bits it fills the 53 bits that a double holds exactly. */
const ENTRIES_MAX = 2_097_152
const MAGIC = 0x72_69_65_57
const FORMAT = 1

export interface SortedRunFooter {
  /** The CRC of the footer, and so of all CRCs: it identifies the sorted run. */
  readonly crc: number
  readonly keys: number
  readonly blocks: number
  /** Size in bits. */
  readonly filterSize: number
  readonly filterHashes: number
  readonly indexCrc: number
  readonly filterCrc: number
}

export const indexBytes = (blocks: number): number => Math.ceil((blocks * 4) / BLOCK_BYTES) * BLOCK_BYTES

/**
 * Completes a block whose first `entries` entries are filled in. The block's number is part of the CRC, so a block in
 * the wrong place is invalid.
 */
export const sealBlock = (block: Buffer, number: number, entries: number): void => {
  block.fill(0, entries * ENTRY_BYTES)
  block.writeUInt32LE(entries, ENTRIES_BYTES)
  block.writeUInt32LE(crc32(block.subarray(0, CRC_AT), number), CRC_AT)
}

/** Number of entries in a block. Throws a `StoreDamagedError` that names the block and `file`. */
export const checkBlock = (block: Buffer, number: number, file: string): number => {
  if (crc32(block.subarray(0, CRC_AT), number) !== block.readUInt32LE(CRC_AT)) {
    throw new StoreDamagedError(`block ${number} of ${file} is damaged`)
  }
  return block.readUInt32LE(ENTRIES_BYTES)
}

/** -1, 0 or 1 when the entry at `a` is before, equal to or after the one at `b`. */
export const compareEntries = (aWords: Int32Array, a: number, bWords: Int32Array, b: number): number => {
  for (let i = 0; i < 4; i++) {
    const difference = aWords[a + i]! - bWords[b + i]!
    if (difference !== 0) return difference < 0 ? -1 : 1
  }
  return 0
}

/** Numbers of the first `count` entries, in sorted order. */
export const sortedEntries = (words: Int32Array, count: number): Uint32Array => {
  // Packs first word and entry number into one double, because the engine sorts doubles without calling a comparison.
  const sortable = new Float64Array(count)
  for (let entry = 0; entry < count; entry++) {
    sortable[entry] = words[entry * ENTRY_WORDS]! * ENTRIES_MAX + entry
  }
  sortable.sort()
  const order = new Uint32Array(count)
  for (let i = 0; i < count; i++) {
    const value = sortable[i]!
    const entry = value - Math.floor(value / ENTRIES_MAX) * ENTRIES_MAX
    // Equal first words are rare and adjacent, so an insertion sort orders them.
    let at = i
    while (at > 0 && compareEntries(words, order[at - 1]! * ENTRY_WORDS, words, entry * ENTRY_WORDS) > 0) {
      order[at] = order[at - 1]!
      at -= 1
    }
    order[at] = entry
  }
  return order
}

export const encodeFooter = (footer: Omit<SortedRunFooter, 'crc'>): Buffer => {
  const bytes = Buffer.alloc(FOOTER_BYTES)
  bytes.writeUInt32LE(MAGIC, 0)
  bytes.writeUInt32LE(FORMAT, 4)
  bytes.writeDoubleLE(footer.keys, 8)
  bytes.writeUInt32LE(footer.blocks, 16)
  bytes.writeUInt32LE(footer.filterHashes, 20)
  bytes.writeDoubleLE(footer.filterSize, 24)
  bytes.writeUInt32LE(footer.indexCrc, 32)
  bytes.writeUInt32LE(footer.filterCrc, 36)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, FOOTER_BYTES - 4)), FOOTER_BYTES - 4)
  return bytes
}

/** Throws a `StoreDamagedError`. */
export const decodeFooter = (bytes: Buffer, what: string): SortedRunFooter => {
  const isWhole =
    bytes.length === FOOTER_BYTES &&
    crc32(bytes.subarray(0, FOOTER_BYTES - 4)) === bytes.readUInt32LE(FOOTER_BYTES - 4) &&
    bytes.readUInt32LE(0) === MAGIC &&
    bytes.readUInt32LE(4) === FORMAT
  if (!isWhole) throw new StoreDamagedError(`the footer of ${what} is damaged`)
  return {
    crc: bytes.readUInt32LE(FOOTER_BYTES - 4),
    keys: bytes.readDoubleLE(8),
    blocks: bytes.readUInt32LE(16),
    filterHashes: bytes.readUInt32LE(20),
    filterSize: bytes.readDoubleLE(24),
    indexCrc: bytes.readUInt32LE(32),
    filterCrc: bytes.readUInt32LE(36),
  }
}
