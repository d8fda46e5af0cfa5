import { crc32 } from 'node:zlib'
import { bucketName, parseBucket, type Bucket } from './bucket.ts'
import { ENTRY_BYTES } from '../sorted-runs/key-table.ts'

/** The records of the changelog, a compacted topic: one `identity`, one `position`, and chunks of keys. */
export interface Position {
  /** Next offset by input topic; a topic that was not read from yet is absent. */
  readonly next: Readonly<Record<string, bigint>>
  /** Epoch ms; see `advanceTime`. */
  readonly effectiveTime: number
  /** Number of buckets that have expired since the partition's first record. */
  readonly rotations: number
  /** Number of partitions that the keys are spread over; absent in positions of earlier versions. */
  readonly partitions?: number
  /** Number of repairs of the state. A checkpoint from before the last repair is unusable. */
  readonly repairs?: number
  /** Present while the keys are being moved to this number of partitions. No task may continue from this position. */
  readonly becoming?: number
}

export type StateRecord =
  | { readonly kind: 'identity'; readonly identity: string }
  | { readonly kind: 'position'; readonly position: Position }
  | {
      readonly kind: 'chunk'
      readonly chunkKey: string
      readonly bucket: Bucket
      /** 16 bytes of event key and 8 bytes of body hash each. */
      readonly entries: Buffer
    }
  | { readonly kind: 'tombstone'; readonly chunkKey: string }

/** The record is damaged, or another program or version wrote it. */
export class StateRecordError extends Error {
  override readonly name = 'StateRecordError'
}

/** A chunk stays below 800,000 bytes, and so below a topic's default limit of 1 MiB. */
export const CHUNK_KEYS_MAX = 33_000
const FORMAT = 2
const POSITION_FORMAT = 1
const CHUNK_HEAD_BYTES = 5
const CHUNK_PREFIX = 'chunk|'
const CHECKSUM_HEADER = 'crc32'
const CHECKSUM_BYTES = 4
const IDENTITY_KEY = Buffer.from('identity')
const POSITION_KEY = Buffer.from('position')

export interface StoredStateRecord {
  readonly key: Buffer | null
  /** null: a tombstone. */
  readonly value: Buffer | null
  /** `crc32`: of key and value, 4 bytes. Chunks have one in their value; records of earlier versions may lack it. */
  readonly headers?: Readonly<Record<string, Buffer>>
}

export interface KeyAndValue extends StoredStateRecord {
  readonly key: Buffer
}

const checksumOf = (key: Buffer, value: Buffer | null): number => crc32(value ?? '', crc32(key))

/** In a header, so that an earlier version can still read the record, and a tombstone can have it too. */
const withChecksum = (key: Buffer, value: Buffer | null): KeyAndValue => {
  const checksum = Buffer.allocUnsafe(CHECKSUM_BYTES)
  checksum.writeUInt32LE(checksumOf(key, value))
  return { key, value, headers: { [CHECKSUM_HEADER]: checksum } }
}

const requireChecksum = (key: Buffer, { value, headers = {} }: StoredStateRecord): void => {
  const names = Object.keys(headers)
  if (names.length === 0) return
  const checksum = names.length === 1 ? headers[CHECKSUM_HEADER] : undefined
  const isWhole = checksum?.length === CHECKSUM_BYTES && checksum.readUInt32LE() === checksumOf(key, value)
  if (!isWhole) throw new StateRecordError('a damaged record: its CRC-32 does not match its key and value')
}

export const encodeIdentity = (identity: string): KeyAndValue =>
  withChecksum(IDENTITY_KEY, Buffer.from(identity))

export const positionText = ({ next, ...rest }: Position): string => {
  const offsets = Object.fromEntries(Object.entries(next).map(([topic, offset]) => [topic, String(offset)]))
  return JSON.stringify({ format: POSITION_FORMAT, next: offsets, ...rest })
}

export const encodePosition = (position: Position): KeyAndValue =>
  withChecksum(POSITION_KEY, Buffer.from(positionText(position)))

export const isPositionKey = (key: Buffer | null): boolean => key?.equals(POSITION_KEY) ?? false

/**
 * `id` makes the chunk's key unique within its bucket: the topic and offset of the first input that the chunk covers.
 */
export const chunkKeyOf = (bucket: Bucket, id: string): string => `${CHUNK_PREFIX}${bucketName(bucket)}|${id}`

/** The id in a chunk's key. */
export const chunkIdOf = (chunkKey: string): string =>
  chunkKey.slice(CHUNK_PREFIX.length + bucketNameOf(chunkKey).length + 1)

/** The bucket in a chunk's key. */
export const bucketNameOf = (chunkKey: string): string => {
  const startEnd = chunkKey.indexOf('|', CHUNK_PREFIX.length)
  return chunkKey.slice(CHUNK_PREFIX.length, chunkKey.indexOf('|', startEnd + 1))
}

/** Value: format (1 byte), CRC-32 of the chunk's key and its entries (4 bytes), and the entries. */
export const encodeChunk = (chunkKey: string, entries: Buffer): KeyAndValue => {
  const key = Buffer.from(chunkKey)
  const value = Buffer.allocUnsafe(CHUNK_HEAD_BYTES + entries.length)
  value[0] = FORMAT
  value.writeUInt32LE(crc32(entries, crc32(key)), 1)
  entries.copy(value, CHUNK_HEAD_BYTES)
  return { key, value }
}

export const encodeTombstone = (chunkKey: string): KeyAndValue => withChecksum(Buffer.from(chunkKey), null)

/** Throws a `StateRecordError`. */
export const decodeStateRecord = (record: StoredStateRecord): StateRecord => {
  const { key, value } = record
  if (key === null) throw new StateRecordError('a state record without a key')
  requireChecksum(key, record)
  const name = key.toString()
  if (name.startsWith(CHUNK_PREFIX)) {
    return value === null ? { kind: 'tombstone', chunkKey: name } : decodeChunk(key, value)
  }
  if (value !== null && key.equals(IDENTITY_KEY)) return { kind: 'identity', identity: value.toString() }
  if (value !== null && key.equals(POSITION_KEY)) {
    return { kind: 'position', position: parsePosition(value.toString()) }
  }
  throw new StateRecordError('a state record with an unknown key')
}

const decodeChunk = (key: Buffer, value: Buffer): StateRecord => {
  if (value[0] !== FORMAT || value.length < CHUNK_HEAD_BYTES) {
    throw new StateRecordError('a chunk of an unknown format')
  }
  const entries = value.subarray(CHUNK_HEAD_BYTES)
  if (entries.length % ENTRY_BYTES !== 0 || crc32(entries, crc32(key)) !== value.readUInt32LE(1)) {
    throw new StateRecordError('a damaged chunk')
  }
  const chunkKey = key.toString()
  const bucket = parseBucket(bucketNameOf(chunkKey))
  if (!Number.isSafeInteger(bucket.start) || !Number.isSafeInteger(bucket.lengthMs)) {
    throw new StateRecordError('a chunk without a bucket')
  }
  return { kind: 'chunk', chunkKey, bucket, entries }
}

/** Throws a `StateRecordError`. */
export const parsePosition = (text: string): Position => {
  const stored = tryJson(text)
  const { format, next, effectiveTime, rotations, partitions, repairs, becoming } = stored ?? {}
  if (
    format !== POSITION_FORMAT ||
    typeof effectiveTime !== 'number' ||
    typeof rotations !== 'number' ||
    !isCountOrAbsent(partitions) ||
    !isCountOrAbsent(repairs) ||
    !isCountOrAbsent(becoming) ||
    !Object.values(next ?? {}).every((offset) => /^\d+$/.test(offset))
  ) {
    throw new StateRecordError('a damaged position')
  }
  const offsets = Object.entries(next ?? {}).map(([topic, offset]) => [topic, BigInt(offset)])
  return {
    next: Object.fromEntries(offsets) as Record<string, bigint>,
    effectiveTime,
    rotations,
    ...(partitions !== undefined && { partitions }),
    ...(repairs !== undefined && { repairs }),
    ...(becoming !== undefined && { becoming }),
  }
}

const isCountOrAbsent = (value: unknown): boolean =>
  value === undefined || (Number.isSafeInteger(value) && (value as number) > 0)

interface StoredPosition extends Omit<Position, 'next'> {
  readonly format: number
  readonly next: Readonly<Record<string, string>>
}

const tryJson = (text: string): Partial<StoredPosition> | undefined => {
  try {
    return JSON.parse(text) as Partial<StoredPosition>
  } catch {
    return undefined
  }
}
