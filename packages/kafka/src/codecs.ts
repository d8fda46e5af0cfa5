import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import kafkajs from 'kafkajs'
import { compressFrameSync, decompressFrameSync } from 'lz4-napi'
import { compressSync, uncompressSync } from 'snappy'

/** Java's snappy streams begin so; others (librdkafka, franz-go) write one raw block. */
const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00])
const XERIAL_HEADER_BYTES = 16

const uncompressRaw = (block: Buffer): Buffer => {
  const bytes = uncompressSync(block)
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes)
}

/** xerial: magic, version and compatible version (int32 each), then blocks, each after its length (int32). */
export const decompressSnappy = (bytes: Buffer): Buffer => {
  if (!bytes.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC)) return uncompressRaw(bytes)
  const blocks: Buffer[] = []
  for (let at = XERIAL_HEADER_BYTES; at < bytes.length;) {
    const length = bytes.readInt32BE(at)
    at += 4
    if (length < 1 || length > bytes.length - at) {
      throw new RangeError(`a snappy block of ${length} bytes where ${bytes.length - at} are left`)
    }
    blocks.push(uncompressRaw(bytes.subarray(at, at + length)))
    at += length
  }
  return Buffer.concat(blocks)
}

interface Encoded {
  readonly buffer: Buffer
}

const codec = (compress: (bytes: Buffer) => Buffer, decompress: (bytes: Buffer) => Buffer) => () => ({
  compress: (encoder: Encoded) => Promise.resolve(compress(encoder.buffer)),
  decompress: (bytes: Buffer) => Promise.resolve(decompress(bytes)),
})

// kafkajs has only gzip; one batch of another codec in a topic would end its consumer.
const { CompressionCodecs, CompressionTypes } = kafkajs
CompressionCodecs[CompressionTypes.Snappy] = codec((bytes) => compressSync(bytes), decompressSnappy)
CompressionCodecs[CompressionTypes.LZ4] = codec((bytes) => compressFrameSync(bytes), decompressFrameSync)
CompressionCodecs[CompressionTypes.ZSTD] = codec((bytes) => zstdCompressSync(bytes), zstdDecompressSync)
