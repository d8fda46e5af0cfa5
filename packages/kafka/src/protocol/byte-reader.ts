const SEVEN_BITS = 0x7f
const VARINT_SHIFT_MAX = 28
const VARLONG_BYTES_MAX = 10

/**
 * Reads the primitive types of Kafka's protocol (https://kafka.apache.org/protocol#protocol_types) without allocating.
 * Variable-length integers past the end are 0, so callers must check `at` afterwards.
 */
export class ByteReader {
  readonly bytes: Buffer
  at: number

  constructor(bytes: Buffer, at = 0) {
    this.bytes = bytes
    this.at = at
  }

  int16(): number {
    this.at += 2
    return this.bytes.readInt16BE(this.at - 2)
  }

  int32(): number {
    this.at += 4
    return this.bytes.readInt32BE(this.at - 4)
  }

  int64(): bigint {
    this.at += 8
    return this.bytes.readBigInt64BE(this.at - 8)
  }

  /** A view of `length` bytes; null for length -1. */
  part(length: number): Buffer | null {
    if (length === -1) return null
    const from = this.at
    this.at += length
    if (length < 0 || this.at > this.bytes.length) {
      throw new RangeError(`a field states ${length} bytes, but ${this.bytes.length - from} are left`)
    }
    return this.bytes.subarray(from, this.at)
  }

  /** Skips `length` bytes; -1 encodes null and skips nothing. */
  skip(length: number): void {
    if (length < -1) throw new RangeError(`invalid length ${length}`)
    if (length > 0) this.at += length
  }

  /** A zigzag-encoded 32-bit integer in one to five bytes. */
  varInt(): number {
    const { bytes } = this
    let byte = bytes[this.at++]!
    let value = byte & SEVEN_BITS
    for (let shift = 7; byte > SEVEN_BITS; shift += 7) {
      if (shift > VARINT_SHIFT_MAX) throw new RangeError('a varint is longer than five bytes')
      byte = bytes[this.at++]!
      value |= (byte & SEVEN_BITS) << shift
    }
    return (value >>> 1) ^ -(value & 1)
  }

  /** A zigzag-encoded 64-bit integer in one to ten bytes; exact up to 2^52. */
  varLong(): number {
    let byte = this.bytes[this.at++]!
    let value = byte & SEVEN_BITS
    let scale = SEVEN_BITS + 1
    for (let length = 1; byte > SEVEN_BITS; length++) {
      if (length === VARLONG_BYTES_MAX) throw new RangeError('a varlong is longer than ten bytes')
      byte = this.bytes[this.at++]!
      value += (byte & SEVEN_BITS) * scale
      scale *= SEVEN_BITS + 1
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }
}
