import { constants, gunzipSync, zstdDecompressSync } from 'node:zlib'
import { decompressFrameSync } from 'lz4-napi'
import { uncompressSync } from 'snappy'

/** A batch with more or larger records than Weir holds in memory at once. A retry gives the same batch. */
export class OversizedBatchError extends RangeError {
  override readonly name = 'OversizedBatchError'
}

const requireSize = (bytes: number, bytesMax: number): void => {
  if (bytes > bytesMax) throw new OversizedBatchError(`more than ${bytesMax} bytes`)
}

/** First bytes of a snappy stream from a Java client. Other clients (librdkafka, franz-go) write one raw block. */
const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00])
const XERIAL_HEADER_BYTES = 16
const LENGTH_BYTES_MAX = 5

/** Reads the uncompressed length at the start of a raw block. The decoder allocates that many bytes at once. */
const lengthOfRaw = (block: Buffer): number => {
  let length = 0
  for (let at = 0; at < LENGTH_BYTES_MAX; at++) {
    const byte = block[at] ?? 0
    length += (byte & 0x7f) * 2 ** (7 * at)
    if (byte < 0x80) return length
  }
  throw new RangeError('a snappy block has no length')
}

const uncompressRaw = (block: Buffer, bytesMax: number): Buffer => {
  requireSize(lengthOfRaw(block), bytesMax)
  const bytes = uncompressSync(block)
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes)
}

/**
 * The xerial format: magic, version and compatible version (int32 each), then blocks, each after its length (int32).
 */
export const decompressSnappy = (bytes: Buffer, bytesMax: number): Buffer => {
  if (!bytes.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC)) return uncompressRaw(bytes, bytesMax)
  const blocks: Buffer[] = []
  let left = bytesMax
  for (let at = XERIAL_HEADER_BYTES; at < bytes.length;) {
    const length = bytes.readInt32BE(at)
    at += 4
    if (length < 1 || length > bytes.length - at) {
      throw new RangeError(`a snappy block states ${length} bytes, but ${bytes.length - at} are left`)
    }
    const block = uncompressRaw(bytes.subarray(at, at + length), left)
    left -= block.length
    blocks.push(block)
    at += length
  }
  return Buffer.concat(blocks)
}

const LZ4_MAGIC = 0x184d2204
const LZ4_FLAGS_AT = 4
const LZ4_BLOCK_CODE_AT = 5
const LZ4_HEAD_BYTES = 7
/** The highest bit of a block's length marks an uncompressed block. */
const LZ4_PLAIN = 0x80_00_00_00
/** One byte of LZ4 expands to at most 255 bytes. */
const LZ4_RATIO_MAX = 255

/**
 * Upper bound of the decompressed size, computed from frame headers and block lengths, because the decoder takes no
 * limit: https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md
 */
const boundOfLz4 = (bytes: Buffer): number => {
  let bound = 0
  for (let at = 0; at < bytes.length;) {
    if (bytes.readUInt32LE(at) !== LZ4_MAGIC) throw new RangeError('unknown LZ4 frame format')
    const flags = bytes[at + LZ4_FLAGS_AT]!
    const blockBytesMax = 2 ** (8 + 2 * ((bytes[at + LZ4_BLOCK_CODE_AT]! >> 4) & 7))
    at += LZ4_HEAD_BYTES + ((flags & 0x08) === 0 ? 0 : 8) + ((flags & 0x01) === 0 ? 0 : 4)
    for (;;) {
      const stated = bytes.readUInt32LE(at)
      at += 4
      if (stated === 0) break
      const isPlain = stated >= LZ4_PLAIN
      const length = isPlain ? stated - LZ4_PLAIN : stated
      bound += isPlain ? length : Math.min(blockBytesMax, length * LZ4_RATIO_MAX)
      at += length + ((flags & 0x10) === 0 ? 0 : 4)
    }
    at += (flags & 0x04) === 0 ? 0 : 4
  }
  return bound
}

const decompressLz4 = (bytes: Buffer, bytesMax: number): Buffer => {
  requireSize(boundOfLz4(bytes), bytesMax)
  return decompressFrameSync(bytes)
}

/** zlib itself stops at the limit. */
const limited = (decompress: () => Buffer, bytesMax: number): Buffer => {
  try {
    return decompress()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') requireSize(Infinity, bytesMax)
    throw error
  }
}

/**
 * A frame may request a window of up to 2 GB. Level 22 requests 128 MB, which every Kafka client accepts. The decoder
 * uses memory only as it fills the window.
 */
const ZSTD_WINDOW_LOG_MAX = 27

type Decompress = (bytes: Buffer, bytesMax: number) => Buffer

/** By the codec number in a batch's attributes. kafkajs supports only gzip and takes no limit. */
const DECOMPRESS: readonly (Decompress | undefined)[] = [
  undefined,
  (bytes, maxOutputLength) => limited(() => gunzipSync(bytes, { maxOutputLength }), maxOutputLength),
  decompressSnappy,
  decompressLz4,
  (bytes, maxOutputLength) =>
    limited(
      () =>
        zstdDecompressSync(bytes, {
          maxOutputLength,
          params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG_MAX },
        }),
      maxOutputLength,
    ),
]
const CODEC_BITS = 0x07
const NO_CODEC = 0

/**
 * Decompresses the records of a batch. Throws an `OversizedBatchError` before more than `bytesMax` bytes are allocated,
 * and a `RangeError` for an unknown codec.
 */
export const decompressed = (body: Buffer, attributes: number, bytesMax: number): Buffer => {
  const codec = attributes & CODEC_BITS
  if (codec === NO_CODEC) return body
  const decompress = DECOMPRESS[codec]
  if (decompress === undefined) throw new RangeError(`unknown compression codec ${codec}`)
  return decompress(body, bytesMax)
}
