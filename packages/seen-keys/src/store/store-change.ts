import type { Bucket } from './bucket.ts'

/** What one committed transaction changes in a store, or what was read back from the state topic. */
export interface StoreChange {
  /** After the last state record that is included. */
  readonly stateOffset: bigint
  /** The `position` record, as its text. */
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
  /** Effective time of the transaction, epoch ms; unknown for what was read back. */
  readonly at?: number
  /** Keys of the chunk, those included that the store had before. */
  readonly keys: number
  /** The keys that the store did not have, 24 bytes each. */
  readonly entries: Buffer
}
