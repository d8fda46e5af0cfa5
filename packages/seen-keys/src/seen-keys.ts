import { advanceTime, bucketOf, isExpired, type Bucket } from './store/bucket.ts'
import type { FoundKey, LookupCounts } from './store/bucket-set.ts'
import { KeyProbe } from './sorted-runs/key-hashing.ts'
import type { KeyStore, PlannedMerge } from './store/key-store.ts'
import { ENTRY_BYTES } from './sorted-runs/key-table.ts'
import { StagedKeys, type CommittedKeys, type StagedChange } from './staged-keys.ts'
import { parsePosition, positionText, type Position, type StateRecord } from './store/state-record.ts'
import type { AddedChunk } from './store/store-change.ts'

export interface SeenKeysOptions {
  /** Least time for which a key is held, ms of effective time. */
  readonly windowMs: number
  /** Number of partitions that the keys are spread over; written with each position. */
  readonly partitions: number
}

/**
 * The keys that one partition has seen within its window. Bloom filters tell which keys are definitely new, and the
 * exact store decides about the rest. Changes only through `apply` (what is committed) and `restored` (what was read
 * back).
 */
export class SeenKeys implements CommittedKeys {
  readonly #options: SeenKeysOptions
  readonly #store: KeyStore
  readonly #probe: KeyProbe
  readonly #staged: StagedKeys
  #position: Position = { next: {}, effectiveTime: 0, rotations: 0 }

  constructor(options: SeenKeysOptions, store: KeyStore) {
    this.#options = options
    this.#store = store
    this.#probe = new KeyProbe(store.hashing)
    if (store.position !== '') this.#position = parsePosition(store.position)
    this.#staged = new StagedKeys(store.hashing, this)
  }

  get position(): Position {
    return this.#position
  }

  get partitions(): number {
    return this.#options.partitions
  }

  get keysHeld(): number {
    return this.#store.keyCount
  }

  get filterByteCount(): number {
    return this.#store.filterByteCount
  }

  /** Keys without a filter, because memory is short. */
  get unfilteredKeyCount(): number {
    return this.#store.unfilteredKeyCount
  }

  get counts(): LookupCounts {
    return this.#store.counts
  }

  find(probe: KeyProbe): FoundKey | undefined {
    return this.#store.find(probe)
  }

  /**
   * A view for the next transaction. Nothing in this object changes before `apply`. The previous view becomes invalid.
   */
  stage(): StagedKeys {
    this.#store.throwIfFailed()
    this.#staged.restart()
    return this.#staged
  }

  expiredAt(effectiveTime: number): {
    readonly buckets: readonly Bucket[]
    readonly chunkKeys: readonly string[]
  } {
    const buckets = this.#store.buckets.filter((bucket) => this.isExpired(bucket, effectiveTime))
    return { buckets, chunkKeys: buckets.flatMap((bucket) => this.#store.chunkNames(bucket)) }
  }

  isExpired(bucket: Bucket, effectiveTime: number): boolean {
    return isExpired(bucket, effectiveTime, this.#options.windowMs)
  }

  planMerge(keysMax: number): PlannedMerge | undefined {
    return this.#store.planMerge(keysMax)
  }

  bucketAt(effectiveTime: number): Bucket {
    return bucketOf(effectiveTime, this.#options.windowMs)
  }

  advance(previous: number, recordTime: number, now: number): number {
    return advanceTime(previous, recordTime, now)
  }

  /** Applies a committed transaction. `stateOffset` is the offset after its last state record. */
  async apply(change: StagedChange, stateOffset: bigint): Promise<void> {
    const { chunks, merge, expired, position } = change
    this.#store.apply({
      stateOffset,
      position: positionText(position),
      added: chunks.map((chunk) => ({
        ...chunk,
        at: position.effectiveTime,
        keys: chunk.entries.length / ENTRY_BYTES,
      })),
      ...(merge && { merged: { bucket: merge.bucket, chunkKeys: merge.names } }),
      goneChunks: expired.chunkKeys,
      goneBuckets: expired.buckets,
    })
    this.#position = position
    await this.#store.catchUp()
  }

  /** Applies records that were read back committed, up to `stateOffset`. Applying one twice changes nothing. */
  async restored(records: readonly StateRecord[], stateOffset: bigint): Promise<void> {
    const added: AddedChunk[] = []
    const goneChunks: string[] = []
    // Chunks that a later record of the same batch deletes can be left out.
    const gone = new Set(records.flatMap((record) => (record.kind === 'tombstone' ? [record.chunkKey] : [])))
    for (const record of records) {
      if (record.kind === 'position') this.#position = record.position
      else if (record.kind === 'tombstone') goneChunks.push(record.chunkKey)
      else if (record.kind === 'chunk' && !gone.has(record.chunkKey)) {
        const { chunkKey, bucket, entries } = record
        added.push({
          chunkKey,
          bucket,
          keys: entries.length / ENTRY_BYTES,
          entries: this.#absent(bucket, entries),
        })
      }
    }
    const position = positionText(this.#position)
    this.#store.apply({ stateOffset, position, added, goneChunks, goneBuckets: [] })
    await this.#store.catchUp()
  }

  /** Drops what has expired by the restored position. Call once after the restore. */
  finishRestore(): void {
    const { effectiveTime } = this.#position
    // The next transaction writes the tombstones of the other buckets; until then their chunks must stay known.
    const goneBuckets = this.expiredAt(effectiveTime).buckets.filter(
      (bucket) => this.#store.chunkNames(bucket).length === 0,
    )
    if (goneBuckets.length === 0) return
    const { stateOffset } = this.#store
    const position = positionText(this.#position)
    this.#store.apply({ stateOffset, position, added: [], goneChunks: [], goneBuckets })
  }

  /** The entries whose keys the bucket lacks. */
  #absent(bucket: Bucket, entries: Buffer): Buffer {
    const absent: Buffer[] = []
    let from = 0
    for (let at = 0; at < entries.length; at += ENTRY_BYTES) {
      if (!this.#store.has(bucket, this.#probe.set(entries, at))) continue
      absent.push(entries.subarray(from, at))
      from = at + ENTRY_BYTES
    }
    return from === 0 ? entries : Buffer.concat([...absent, entries.subarray(from)])
  }
}
