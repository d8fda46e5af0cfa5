export { bucketOf, BUCKETS_PER_WINDOW, isExpired, parseBucket, type Bucket } from './store/bucket.ts'
export { StoreDamagedError, StoreNewerError } from './sorted-runs/damage.ts'
export { FolderLockedError, lockFolder } from './store/folder-lock.ts'
export { filterBytes } from './sorted-runs/key-filter.ts'
export type { KeyStore, KeyStoreOptions } from './store/key-store.ts'
export { ENTRY_BYTES } from './sorted-runs/key-table.ts'
export type { StoreIdentity } from './store/manifest.ts'
export { openKeyStore, type OpenedStore } from './store/open-key-store.ts'
export { RUNS_MAX } from './store/sorted-run-merging.ts'
export { SeenKeys, type SeenKeysOptions } from './seen-keys.ts'
export { StagedKeys, stateRecordsOf, type StagedChange, type SeenResult } from './staged-keys.ts'
export {
  bucketNameOf,
  CHUNK_KEYS_MAX,
  chunkIdOf,
  chunkKeyOf,
  decodeStateRecord,
  encodeChunk,
  encodeIdentity,
  encodePosition,
  encodeTombstone,
  isPositionKey,
  parsePosition,
  StateRecordError,
  type Position,
  type StateRecord,
} from './store/state-record.ts'
export { StoreMemory } from './sorted-runs/store-memory.ts'
