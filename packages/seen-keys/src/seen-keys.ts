import { advanceTime, bucketName, bucketOf, isExpired, type Bucket } from './bucket.ts'
import type { Checkpoint, CheckpointIdentity } from './checkpoint.ts'
import { Generation, type FilterLimits } from './generation.ts'
import { KeyHashing } from './key-hashing.ts'
import { StagedKeys, type CommittedKeys } from './staged-keys.ts'
import { bucketNameOf, type Position, type SeenKey, type StateRecord } from './state-record.ts'

export interface SeenKeysOptions {
  /** How long a key is held at least, ms of effective time. */
  readonly windowMs: number
  readonly filters: FilterLimits
}

/** Counted since the start of this process. */
export interface LookupCounts {
  readonly lookups: number
  /** A filter said perhaps, the store said no. */
  readonly falsePositives: number
}

/**
 * The keys that one partition has seen within its window: Bloom filters say which are definitely new, and the exact
 * store decides about the rest. Changes only through `apply` (what is committed) and `restored` (what was read back).
 */
export class SeenKeys implements CommittedKeys {
  readonly #options: SeenKeysOptions
  readonly #checkpoint: Checkpoint
  readonly #hashing = new KeyHashing()
  readonly #generations = new Map<string, Generation>()
  readonly #chunkKeys = new Map<string, Set<string>>()
  #position: Position = { next: {}, effectiveTime: 0, rotations: 0 }
  #lookups = 0
  #falsePositives = 0

  constructor(options: SeenKeysOptions, checkpoint: Checkpoint) {
    this.#options = options
    this.#checkpoint = checkpoint
    for (const bucket of checkpoint.buckets()) {
      const generation = this.#generation(bucket)
      for (const key of checkpoint.keys(bucket)) generation.add(key)
    }
    for (const chunkKey of checkpoint.chunkKeys()) this.#noteChunk(chunkKey)
    this.#position = checkpoint.position() ?? this.#position
  }

  get position(): Position {
    return this.#position
  }

  get keysHeld(): number {
    let keys = 0
    for (const generation of this.#generations.values()) keys += generation.keyCount
    return keys
  }

  get filterByteCount(): number {
    let bytes = 0
    for (const generation of this.#generations.values()) bytes += generation.byteCount
    return bytes
  }

  get counts(): LookupCounts {
    return { lookups: this.#lookups, falsePositives: this.#falsePositives }
  }

  /** The hash that was stored with the key, undefined when the key is new. */
  find(eventKey: Buffer): Buffer | undefined {
    this.#lookups += 1
    for (const generation of this.#generations.values()) {
      if (!generation.mayHave(eventKey)) continue
      const bodyHash = this.#checkpoint.get(generation.bucket, eventKey)
      if (bodyHash !== undefined) return bodyHash
      this.#falsePositives += 1
    }
    return undefined
  }

  /** A view for one transaction: nothing in here changes until `apply`. */
  stage(): StagedKeys {
    return new StagedKeys(this)
  }

  /** Chunk keys of the buckets that have expired at a time. */
  expiredAt(effectiveTime: number): {
    readonly buckets: readonly Bucket[]
    readonly chunkKeys: readonly string[]
  } {
    const buckets = [...this.#generations.values()]
      .map(({ bucket }) => bucket)
      .filter((bucket) => isExpired(bucket, effectiveTime, this.#options.windowMs))
    return {
      buckets,
      chunkKeys: buckets.flatMap((bucket) => [...(this.#chunkKeys.get(bucketName(bucket)) ?? [])]),
    }
  }

  bucketAt(effectiveTime: number): Bucket {
    return bucketOf(effectiveTime, this.#options.windowMs)
  }

  advance(previous: number, recordTime: number, now: number): number {
    return advanceTime(previous, recordTime, now)
  }

  /** Takes over what a transaction has committed; `stateOffset` is the offset after its last state record. */
  apply(staged: StagedKeys, identity: CheckpointIdentity, stateOffset: bigint): void {
    const chunks = staged.chunks()
    const gone = staged.expired()
    const position = staged.position()
    this.#checkpoint.apply({ identity, stateOffset, position, chunks, goneChunks: gone.chunkKeys })
    for (const { chunkKey, bucket, keys } of chunks) this.#addToMemory(chunkKey, bucket, keys)
    for (const bucket of gone.buckets) this.#drop(bucket)
    this.#position = position
  }

  /** Takes over records that were read back committed, up to `stateOffset`. Taking one twice changes nothing. */
  restored(records: readonly StateRecord[], identity: CheckpointIdentity, stateOffset: bigint): void {
    const goneChunks = records.flatMap((record) => (record.kind === 'tombstone' ? [record.chunkKey] : []))
    const gone = new Set(goneChunks)
    const chunks: { chunkKey: string; bucket: Bucket; keys: readonly SeenKey[] }[] = []
    for (const record of records) {
      if (record.kind === 'position') this.#position = record.position
      if (record.kind !== 'chunk' || gone.has(record.chunkKey)) continue
      const { chunkKey, bucket } = record
      const keys = record.keys.filter(({ eventKey }) => this.#checkpoint.get(bucket, eventKey) === undefined)
      chunks.push({ chunkKey, bucket, keys })
    }
    this.#checkpoint.apply({ identity, stateOffset, position: this.#position, chunks, goneChunks })
    for (const { chunkKey, bucket, keys } of chunks) this.#addToMemory(chunkKey, bucket, keys)
    for (const chunkKey of goneChunks) this.#forgetChunk(chunkKey)
  }

  /** Drops what has expired by the restored position. Call once after the restore. */
  finishRestore(): void {
    for (const { bucket } of [...this.#generations.values()]) {
      // Its tombstones come with the next transaction; the chunks stay noted until then.
      if (
        isExpired(bucket, this.#position.effectiveTime, this.#options.windowMs) &&
        !this.#hasChunks(bucket)
      ) {
        this.#drop(bucket)
      }
    }
  }

  #hasChunks(bucket: Bucket): boolean {
    return (this.#chunkKeys.get(bucketName(bucket))?.size ?? 0) > 0
  }

  #addToMemory(chunkKey: string, bucket: Bucket, keys: readonly SeenKey[]): void {
    this.#noteChunk(chunkKey)
    const generation = this.#generation(bucket)
    for (const { eventKey } of keys) generation.add(eventKey)
  }

  #noteChunk(chunkKey: string): void {
    const name = bucketNameOf(chunkKey)
    const list = this.#chunkKeys.get(name)
    if (list === undefined) this.#chunkKeys.set(name, new Set([chunkKey]))
    else list.add(chunkKey)
  }

  #forgetChunk(chunkKey: string): void {
    this.#chunkKeys.get(bucketNameOf(chunkKey))?.delete(chunkKey)
  }

  #generation(bucket: Bucket): Generation {
    const name = bucketName(bucket)
    const existing = this.#generations.get(name)
    if (existing !== undefined) return existing
    const generation = new Generation(bucket, this.#options.filters, this.#hashing)
    this.#generations.set(name, generation)
    return generation
  }

  #drop(bucket: Bucket): void {
    const name = bucketName(bucket)
    this.#checkpoint.dropBucket(bucket)
    this.#generations.delete(name)
    this.#chunkKeys.delete(name)
  }
}
