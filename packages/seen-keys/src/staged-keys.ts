import { bucketName, type Bucket } from './store/bucket.ts'
import type { FoundKey } from './store/bucket-set.ts'
import { KeyProbe, type KeyHashing } from './sorted-runs/key-hashing.ts'
import { KeyTable } from './sorted-runs/key-table.ts'
import type { PlannedMerge } from './store/key-store.ts'
import {
  chunkKeyOf,
  CHUNK_KEYS_MAX,
  encodeChunk,
  encodePosition,
  encodeTombstone,
  type KeyAndValue,
  type Position,
} from './store/state-record.ts'

export type SeenResult =
  | { readonly kind: 'new' }
  | {
      readonly kind: 'duplicate'
      /** Effective time at which the first event with the key came; 0: longer ago than is remembered. */
      readonly firstAt: number
    }
  /** The key is present with another body hash. */
  | { readonly kind: 'conflict'; readonly first: Buffer; readonly firstAt: number }

/** The committed keys, as far as a transaction needs them. */
export interface CommittedKeys {
  readonly position: Position
  readonly partitions: number
  find(probe: KeyProbe): FoundKey | undefined
  bucketAt(effectiveTime: number): Bucket
  isExpired(bucket: Bucket, effectiveTime: number): boolean
  advance(previous: number, recordTime: number, now: number): number
  expiredAt(effectiveTime: number): {
    readonly buckets: readonly Bucket[]
    readonly chunkKeys: readonly string[]
  }
  planMerge(keysMax: number): PlannedMerge | undefined
}

/**
 * All changes of one transaction: they are written to the changelog, and applied once the transaction is committed.
 */
export interface StagedChange {
  readonly position: Position
  readonly chunks: readonly { readonly chunkKey: string; readonly bucket: Bucket; readonly entries: Buffer }[]
  readonly merge: PlannedMerge | undefined
  readonly expired: { readonly buckets: readonly Bucket[]; readonly chunkKeys: readonly string[] }
}

const NEW: SeenResult = { kind: 'new' }

/** The keys that one transaction would add. Only later records of the same transaction see them. */
export class StagedKeys {
  readonly #probe: KeyProbe
  readonly #table: KeyTable
  #seen: CommittedKeys
  /** The bucket of the entries from `from` up to the next range. */
  readonly #buckets: { readonly bucket: Bucket; readonly from: number }[] = []
  #effectiveTime = 0

  constructor(hashing: KeyHashing, seen: CommittedKeys) {
    this.#probe = new KeyProbe(hashing)
    this.#table = new KeyTable(hashing)
    this.#seen = seen
    this.restart()
  }

  /** Forgets everything, for the next transaction. What `seal` returned becomes invalid. */
  restart(): void {
    this.#table.clear()
    this.#buckets.length = 0
    this.#effectiveTime = this.#seen.position.effectiveTime
  }

  /** Epoch ms. */
  get effectiveTime(): number {
    return this.#effectiveTime
  }

  get addedCount(): number {
    return this.#table.count
  }

  /** Advances the clock to a record. `recordTime` is the broker's time, `now` this machine's; both epoch ms. */
  advance(recordTime: number, now: number): void {
    this.#effectiveTime = this.#seen.advance(this.#effectiveTime, recordTime, now)
  }

  /** Decides about a key and, when it is new, adds it. Throws a `StoreDamagedError`. */
  check(eventKey: Buffer, bodyHash: Buffer): SeenResult {
    const probe = this.#probe.set(eventKey)
    const entry = this.#table.find(probe)
    if (entry >= 0) return resultOf(this.#table.bodyHash(entry), bodyHash, this.#effectiveTime)
    const found = this.#seen.find(probe)
    if (found !== undefined) return resultOf(found.bodyHash, bodyHash, found.at)
    this.#enterBucket()
    this.#table.add(probe, bodyHash)
    return NEW
  }

  /** Ends the transaction, which covers the inputs `[first, next)` of a topic. */
  seal(topic: string, first: bigint, next: bigint): StagedChange {
    const { position, partitions } = this.#seen
    const expired = this.#seen.expiredAt(this.#effectiveTime)
    const merge = this.#seen.planMerge(CHUNK_KEYS_MAX)
    const isGone = expired.buckets.some((bucket) => merge && bucketName(bucket) === bucketName(merge.bucket))
    return {
      position: {
        next: { ...position.next, [topic]: next },
        effectiveTime: this.#effectiveTime,
        rotations: position.rotations + expired.buckets.length,
        partitions,
        ...(position.repairs !== undefined && { repairs: position.repairs }),
      },
      chunks: this.#chunks(`${topic}@${first}`),
      merge: isGone ? undefined : merge,
      expired,
    }
  }

  #enterBucket(): void {
    const bucket = this.#seen.bucketAt(this.#effectiveTime)
    const last = this.#buckets.at(-1)?.bucket
    if (last?.start !== bucket.start || last.lengthMs !== bucket.lengthMs) {
      this.#buckets.push({ bucket, from: this.#table.count })
    }
  }

  #chunks(id: string): StagedChange['chunks'] {
    return this.#buckets.flatMap(({ bucket, from }, index) => {
      // The transaction is longer than the window: its chunk would reach the topic together with the end of its
      // bucket.
      if (this.#seen.isExpired(bucket, this.#effectiveTime)) return []
      const to = this.#buckets[index + 1]?.from ?? this.#table.count
      const chunks: StagedChange['chunks'][number][] = []
      for (let at = from; at < to; at += CHUNK_KEYS_MAX) {
        const entries = this.#table.bytes(at, Math.min(to, at + CHUNK_KEYS_MAX))
        chunks.push({ chunkKey: chunkKeyOf(bucket, `${id}+${at}`), bucket, entries })
      }
      return chunks
    })
  }
}

const resultOf = (first: Buffer, bodyHash: Buffer, firstAt: number): SeenResult =>
  first.equals(bodyHash) ? { kind: 'duplicate', firstAt } : { kind: 'conflict', first, firstAt }

/** The change as records of the changelog. They belong in one transaction. */
export const stateRecordsOf = ({
  chunks,
  merge,
  expired,
  position,
}: StagedChange): readonly KeyAndValue[] => [
  ...chunks.map(({ chunkKey, entries }) => encodeChunk(chunkKey, entries)),
  // The merged chunk keeps the key of the first one, so only the others get a tombstone.
  ...(merge
    ? [encodeChunk(merge.names[0]!, merge.entries), ...merge.names.slice(1).map(encodeTombstone)]
    : []),
  ...expired.chunkKeys.map(encodeTombstone),
  encodePosition(position),
]
