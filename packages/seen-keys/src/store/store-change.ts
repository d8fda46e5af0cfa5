import type { Bucket } from './bucket.ts'

/** The changes of a store by one committed transaction, or by records that were read back from the changelog. */
export interface StoreChange {
  /** Offset after the last state record that is included. */
  readonly stateOffset: bigint
  /** Text of the `position` record. */
  readonly position: string
  readonly added: readonly AddedChunk[]
  /** Chunks that were merged into one, which has the name of the first. */
  readonly merged?: { readonly bucket: Bucket; readonly chunkKeys: readonly string[] }
  readonly goneChunks: readonly string[]
  readonly goneBuckets: readonly Bucket[]
}

export interface AddedChunk {
  readonly chunkKey: string
  readonly bucket: Bucket
  /** Effective time of the transaction, epoch ms; unknown for records that were read back. */
  readonly at?: number
  /** Number of keys of the chunk, including those that the store had before. */
  readonly keys: number
  /** The keys that the store lacked, 24 bytes each. */
  readonly entries: Buffer
}
