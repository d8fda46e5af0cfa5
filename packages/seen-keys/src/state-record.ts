import { asEventKey, BODY_HASH_BYTES, EVENT_KEY_BYTES, type EventKey } from '@weir/contracts'
import { bucketName, parseBucket, type Bucket } from './bucket.ts'

/** The records of the compacted state topic: one `identity`, one `position`, and chunks of keys. */
export interface SeenKey {
  readonly eventKey: EventKey
  readonly bodyHash: Buffer
}

export interface Position {
  /** Next offset by input topic; a topic that nothing was read from yet is not there. */
  readonly next: Readonly<Record<string, bigint>>
  /** Epoch ms; see `advanceTime`. */
  readonly effectiveTime: number
  /** Expired buckets since the partition's first record. */
  readonly rotations: number
}

export type StateRecord =
  | { readonly kind: 'identity'; readonly identity: string }
  | { readonly kind: 'position'; readonly position: Position }
  | {
      readonly kind: 'chunk'
      readonly chunkKey: string
      readonly bucket: Bucket
      readonly keys: readonly SeenKey[]
    }
  | { readonly kind: 'tombstone'; readonly chunkKey: string }

/** Something else than this version of Weir wrote the record. */
export class StateRecordError extends Error {
  override readonly name = 'StateRecordError'
}

export const CHUNK_KEYS_MAX = 30_000
const FORMAT = 1
const ENTRY_BYTES = EVENT_KEY_BYTES + BODY_HASH_BYTES
const CHUNK_PREFIX = 'chunk|'
const IDENTITY_KEY = Buffer.from('identity')
const POSITION_KEY = Buffer.from('position')

interface KeyAndValue {
  readonly key: Buffer
  readonly value: Buffer | null
}

export const encodeIdentity = (identity: string): KeyAndValue => ({
  key: IDENTITY_KEY,
  value: Buffer.from(identity),
})

export const encodePosition = ({ next, effectiveTime, rotations }: Position): KeyAndValue => {
  const offsets = Object.fromEntries(Object.entries(next).map(([topic, offset]) => [topic, String(offset)]))
  return {
    key: POSITION_KEY,
    value: Buffer.from(JSON.stringify({ format: FORMAT, next: offsets, effectiveTime, rotations })),
  }
}

/** `id` makes the chunk's key unique within its bucket: the topic and offset of the first input it covers. */
export const chunkKeyOf = (bucket: Bucket, id: string): string => `${CHUNK_PREFIX}${bucketName(bucket)}|${id}`

/** The bucket in a chunk's key. */
export const bucketNameOf = (chunkKey: string): string => chunkKey.split('|').slice(1, 3).join('|')

/** Value: format (1 byte), then for each key 16 bytes of event key and 8 bytes of body hash. */
export const encodeChunk = (chunkKey: string, keys: readonly SeenKey[]): KeyAndValue => {
  const value = Buffer.allocUnsafe(1 + keys.length * ENTRY_BYTES)
  value[0] = FORMAT
  let at = 1
  for (const { eventKey, bodyHash } of keys) {
    eventKey.copy(value, at)
    bodyHash.copy(value, at + EVENT_KEY_BYTES)
    at += ENTRY_BYTES
  }
  return { key: Buffer.from(chunkKey), value }
}

export const encodeTombstone = (chunkKey: string): KeyAndValue => ({
  key: Buffer.from(chunkKey),
  value: null,
})

/** Throws a `StateRecordError`. */
export const decodeStateRecord = ({
  key,
  value,
}: {
  key: Buffer | null
  value: Buffer | null
}): StateRecord => {
  if (key === null) throw new StateRecordError('a state record needs a key')
  const name = key.toString()
  if (name.startsWith(CHUNK_PREFIX)) {
    return value === null ? { kind: 'tombstone', chunkKey: name } : decodeChunk(name, value)
  }
  if (value !== null && key.equals(IDENTITY_KEY)) return { kind: 'identity', identity: value.toString() }
  if (value !== null && key.equals(POSITION_KEY)) return { kind: 'position', position: decodePosition(value) }
  throw new StateRecordError('a state record with an unknown key')
}

const decodeChunk = (chunkKey: string, value: Buffer): StateRecord => {
  if (value[0] !== FORMAT || (value.length - 1) % ENTRY_BYTES !== 0) {
    throw new StateRecordError('a chunk of an unknown format')
  }
  const keys: SeenKey[] = []
  for (let at = 1; at < value.length; at += ENTRY_BYTES) {
    keys.push({
      eventKey: asEventKey(value.subarray(at, at + EVENT_KEY_BYTES)),
      bodyHash: value.subarray(at + EVENT_KEY_BYTES, at + ENTRY_BYTES),
    })
  }
  const bucket = parseBucket(bucketNameOf(chunkKey))
  if (!Number.isSafeInteger(bucket.start) || !Number.isSafeInteger(bucket.lengthMs)) {
    throw new StateRecordError('a chunk without a bucket')
  }
  return { kind: 'chunk', chunkKey, bucket, keys }
}

export const decodePosition = (value: Buffer): Position => {
  const stored = JSON.parse(value.toString()) as {
    format: number
    next: Record<string, string>
    effectiveTime: number
    rotations: number
  }
  if (stored.format !== FORMAT) throw new StateRecordError('a position of an unknown format')
  const next = Object.fromEntries(
    Object.entries(stored.next).map(([topic, offset]) => [topic, BigInt(offset)]),
  )
  return { next, effectiveTime: stored.effectiveTime, rotations: stored.rotations }
}
