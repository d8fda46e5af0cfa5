import avsc from 'avsc'

const INT64_MIN = -(2n ** 63n)
const INT64_MAX = 2n ** 63n - 1n
/** avsc's arithmetic on doubles is exact below it, including the doubled value of the zigzag form. */
const DOUBLE_MAX = 2 ** 51

/** The cursor of avsc, which its typings lack. */
interface Tap {
  readonly buf: Buffer
  pos: number
  readLong(): number
  writeLong(value: number): void
}

/** A long: a number if that is exact, otherwise a bigint. */
type Long = number | bigint

const isLong = (value: unknown): value is Long =>
  typeof value === 'number'
    ? Number.isSafeInteger(value)
    : typeof value === 'bigint' && value >= INT64_MIN && value <= INT64_MAX

const narrow = (value: bigint): Long =>
  value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value

/** Writes the zigzag form in groups of seven bits, lowest first. */
const writeGroups = (tap: Tap, value: bigint): void => {
  let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
  for (; rest > 0x7fn; rest >>= 7n) writeByte(tap, Number(rest & 0x7fn) | 0x80)
  writeByte(tap, Number(rest))
}

/** A write past the end of the buffer is ignored. avsc sees by the position that the buffer is too small. */
const writeByte = (tap: Tap, byte: number): void => {
  tap.buf[tap.pos] = byte
  tap.pos += 1
}

const readGroups = (tap: Tap): bigint => {
  let zigzag = 0n
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const byte = tap.buf[tap.pos] ?? 0
    tap.pos += 1
    zigzag |= BigInt(byte & 0x7f) << shift
    if ((byte & 0x80) === 0) return BigInt.asIntN(64, (zigzag >> 1n) ^ -(zigzag & 1n))
  }
  throw new RangeError('a long of more than 64 bits')
}

const GROUPS_OF_DOUBLE = 7

/** Whether the long at the position has at most 49 bits, as nearly all longs do. */
const isShort = ({ buf, pos }: Tap): boolean => {
  for (let at = pos; at < pos + GROUPS_OF_DOUBLE; at++) if (((buf[at] ?? 0) & 0x80) === 0) return true
  return false
}

const base = avsc.types.LongType.__with({
  fromBuffer: () => undefined,
  toBuffer: () => Buffer.alloc(0),
  fromJSON: (value: Long) => value,
  toJSON: (value: Long) => value,
  isValid: isLong,
  compare: (a: Long, b: Long) => (a < b ? -1 : a > b ? 1 : 0),
})

/**
 * Avro's long, exact for 64 bits. avsc's long refuses values beyond 2^53 - 2, and its hook for custom longs is slow.
 */
export const LONG_TYPE = Object.create(base, {
  _read: { value: (tap: Tap): Long => (isShort(tap) ? tap.readLong() : narrow(readGroups(tap))) },
  _write: {
    value: (tap: Tap, value: unknown): void => {
      if (!isLong(value)) throw new TypeError('not a whole number of 64 bits')
      const double = Number(value)
      if (double > -DOUBLE_MAX && double < DOUBLE_MAX) tap.writeLong(double)
      else writeGroups(tap, BigInt(value))
    },
  },
}) as avsc.Type
